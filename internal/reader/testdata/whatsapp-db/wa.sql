CREATE TABLE android_metadata (locale TEXT);
CREATE TABLE wa_contacts (_id INTEGER PRIMARY KEY AUTOINCREMENT, jid TEXT NOT NULL, is_whatsapp_user BOOLEAN NOT NULL, status TEXT, status_timestamp INTEGER, number TEXT, raw_contact_id INTEGER, display_name TEXT, phone_type INTEGER, phone_label TEXT, unseen_msg_count INTEGER, given_name TEXT, family_name TEXT, wa_name TEXT, sort_name TEXT, nickname TEXT, company TEXT, title TEXT);
INSERT INTO wa_contacts (_id,jid,is_whatsapp_user,status,number,display_name,wa_name,given_name,family_name,company) VALUES
 (1,'31612345678@s.whatsapp.net',1,'at sea','+31612345678','Bee van Kade','bee','Bee','van Kade','Quay & Sons'),
 (2,'31687654321@s.whatsapp.net',1,NULL,NULL,NULL,'Cas',NULL,NULL,NULL),
 (3,'31612345678-1612345678@g.us',1,NULL,NULL,'Loods 7',NULL,NULL,NULL,NULL),
 (4,'11223344556677@lid',1,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
