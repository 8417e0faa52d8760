CREATE TABLE messages (_id INTEGER PRIMARY KEY, key_remote_jid TEXT, key_from_me INTEGER, key_id TEXT, status INTEGER, data TEXT, timestamp INTEGER, media_url TEXT, media_mime_type TEXT, media_size INTEGER, media_name TEXT, media_caption TEXT, remote_resource TEXT, received_timestamp INTEGER, read_device_timestamp INTEGER);
CREATE TABLE chat_list (_id INTEGER PRIMARY KEY, key_remote_jid TEXT, subject TEXT);
INSERT INTO chat_list VALUES (1,'31612345678-1612345678@g.us','Loods 7');
INSERT INTO messages VALUES (1,'-1',0,'-1',-1,NULL,0,NULL,NULL,0,NULL,NULL,NULL,0,NULL);
INSERT INTO messages VALUES (2,'31612345678@s.whatsapp.net',0,'A1',0,'ten o''clock',1613300591123,NULL,NULL,0,NULL,NULL,NULL,1613300592000,NULL);
INSERT INTO messages VALUES (3,'31612345678-1612345678@g.us',0,'A2',0,NULL,1613300600000,'https://mmg.test/1','image/jpeg',7,'IMG-1.jpg','the crate','31687654321@s.whatsapp.net',1613300601000,NULL);
INSERT INTO messages VALUES (4,'31612345678@s.whatsapp.net',1,'A3',13,'ok',1613300610000,NULL,NULL,0,NULL,NULL,NULL,0,1613300620000);
INSERT INTO messages VALUES (5,'31612345678-1612345678@g.us',0,'A4',6,NULL,1613300700000,NULL,NULL,12,NULL,NULL,NULL,0,NULL);
