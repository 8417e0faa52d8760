package phone

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/sqlitedoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
	"github.com/argus-evidence/argus/internal/reader/xmldoc"
)

// WhatsAppDB is described in docs/readers-xml-mail.md.
var WhatsAppDB = &reader.Format{
	Name:     "whatsapp-db",
	Version:  5,
	About:    "WhatsApp's msgstore.db (Android), from before and after 2022, with the names from wa.db beside it; wa.db, its address book",
	Checked:  "a phone's database with the tables of both periods, 9 of 9 messages, all of them WhatsApp's own; by hand, messages in the schemas of 2023 and 2026 as a public project keeps them, 9 of 9; otherwise invented examples",
	OfDevice: true,
	Ignored:  whatsappDBIgnored,
	Kept: []string{
		"account_id", "ack_count", "add_on_flags", "audio_data.waveform", "broadcast", "bytes_transferred", "call_creator_device_jid_row_id",
		"call_link_row_id", "call_random_id", "call_result", "call_type", "company", "data", "disappearing_mode_duration", "disappearing_mode_timestamp",
		"display_name", "duration", "edit_version", "family_name", "forwarded", "from_me_sort", "given_name", "group_jid_row_id",
		"history_sync_initial_phash", "is_business_synced", "is_dnd_mode_on", "is_joinable_group_call", "is_sidelist_synced", "is_spam_reported",
		"is_starred", "is_whatsapp_user", "joinable_video_call", "keep_timestamp", "latitude", "longitude", "lookup_tables", "media_caption",
		"media_duration", "media_enc_hash", "media_hash", "media_key", "media_mime_type", "media_name", "media_size", "media_url", "media_wa_type",
		"mentioned_jids", "message_add_on.from_me", "message_add_on.key_id", "message_add_on.message_add_on_type", "message_add_on.sender_jid",
		"message_add_on.status", "message_add_on.timestamp", "message_add_on_flags", "message_association.association_type",
		"message_association.child_message_row_id", "message_association.parent_message_row_id", "message_details.author_device_jid",
		"message_details.platform_type", "message_edit_info.edited_timestamp", "message_edit_info.original_key_id", "message_edit_info.sender_timestamp",
		"message_ephemeral.duration", "message_ephemeral.ephemeral_initiated_by_me", "message_ephemeral.ephemeral_setting_timestamp",
		"message_ephemeral.ephemeral_trigger", "message_ephemeral.expire_timestamp", "message_ephemeral.keep_in_chat", "message_external_ad_content.body",
		"message_external_ad_content.full_thumbnail", "message_external_ad_content.media_type", "message_external_ad_content.media_url",
		"message_external_ad_content.micro_thumbnail", "message_external_ad_content.render_larger_thumbnail",
		"message_external_ad_content.show_ad_attribution", "message_external_ad_content.source_id", "message_external_ad_content.source_type",
		"message_external_ad_content.source_url", "message_external_ad_content.thumbnail_url", "message_external_ad_content.title",
		"message_forwarded.forward_origin", "message_forwarded.forward_score", "message_future.data", "message_future.future_message_type",
		"message_future.version", "message_group_invite.admin_jid", "message_group_invite.expiration", "message_group_invite.expired",
		"message_group_invite.group_jid", "message_group_invite.group_name", "message_group_invite.group_type", "message_group_invite.invite_code",
		"message_group_invite.invite_time", "message_link.link_index", "message_location.latitude", "message_location.live_location_final_latitude",
		"message_location.live_location_final_longitude", "message_location.live_location_final_timestamp", "message_location.live_location_sequence_number",
		"message_location.live_location_share_duration", "message_location.longitude", "message_location.map_download_status",
		"message_location.place_address", "message_location.place_name", "message_location.url", "message_media.accessibility_label",
		"message_media.autotransfer_retry_enabled", "message_media.chat_jid", "message_media.direct_path", "message_media.doodle_id",
		"message_media.enc_file_hash", "message_media.face_x", "message_media.face_y", "message_media.file_hash", "message_media.file_length",
		"message_media.first_scan_length", "message_media.first_scan_sidecar", "message_media.first_viewed_timestamp", "message_media.gif_attribution",
		"message_media.has_streaming_sidecar", "message_media.height", "message_media.is_animated_sticker", "message_media.is_hd",
		"message_media.media_caption", "message_media.media_duration", "message_media.media_job_uuid", "message_media.media_key",
		"message_media.media_key_timestamp", "message_media.media_name", "message_media.media_source_type", "message_media.media_transcode_quality",
		"message_media.media_transcode_status", "message_media.media_upload_handle", "message_media.message_url", "message_media.metadata_url",
		"message_media.multicast_id", "message_media.mute_video", "message_media.original_file_hash", "message_media.page_count",
		"message_media.paired_media_type", "message_media.partial_media_enc_hash", "message_media.partial_media_hash", "message_media.premium_message_extra",
		"message_media.raw_transcription_text", "message_media.sticker_flags", "message_media.suspicious_content", "message_media.thumbnail_height",
		"message_media.thumbnail_height_width_ratio", "message_media.thumbnail_width", "message_media.transcoded", "message_media.transferred",
		"message_media.trim_from", "message_media.trim_to", "message_media.width", "message_mentions.display_name", "message_mentions.jid",
		"message_order.catalog_type", "message_order.currency_code", "message_order.item_count", "message_order.jid", "message_order.message",
		"message_order.order_id", "message_order.order_title", "message_order.status", "message_order.surface", "message_order.thumbnail",
		"message_order.token", "message_order.total_amount_1000", "message_orphaned_edit.chat_jid", "message_orphaned_edit.from_me",
		"message_orphaned_edit.key_id", "message_orphaned_edit.message_type", "message_orphaned_edit.revoked_key_id", "message_orphaned_edit.sender_jid",
		"message_orphaned_edit.timestamp", "message_payment.amount_with_symbol", "message_payment.receiver_jid", "message_payment.remote_message_from_me",
		"message_payment.remote_message_key", "message_payment.remote_message_sender_jid", "message_payment.remote_resource", "message_payment.sender_jid",
		"message_poll.content_type", "message_poll.current_poll", "message_poll.enc_key", "message_poll.invalid_state", "message_poll.poll_end_time",
		"message_poll.poll_type", "message_poll.selectable_options_count", "message_poll_option.option_name", "message_poll_option.option_sha256",
		"message_poll_option.vote_total", "message_product.amount_1000", "message_product.body", "message_product.business_owner_jid",
		"message_product.catalog_description", "message_product.catalog_title", "message_product.currency_code", "message_product.description",
		"message_product.footer", "message_product.product_id", "message_product.product_image_count", "message_product.retailer_id",
		"message_product.sale_amount_1000", "message_product.title", "message_product.url", "message_quoted.forward_origin", "message_quoted.from_me",
		"message_quoted.lookup_tables", "message_quoted.message_type", "message_quoted.origin", "message_quoted.parent_message_chat_row_id",
		"message_quoted.payment_transaction_id", "message_quoted.sender_jid", "message_quoted.sender_jid_row_id", "message_quoted.text_data",
		"message_quoted.timestamp", "message_quoted_media.direct_path", "message_quoted_media.enc_file_hash", "message_quoted_media.file_hash",
		"message_quoted_media.file_length", "message_quoted_media.file_path", "message_quoted_media.file_size", "message_quoted_media.gif_attribution",
		"message_quoted_media.height", "message_quoted_media.media_duration", "message_quoted_media.media_job_uuid", "message_quoted_media.media_key",
		"message_quoted_media.media_key_timestamp", "message_quoted_media.media_name", "message_quoted_media.message_url", "message_quoted_media.mime_type",
		"message_quoted_media.page_count", "message_quoted_media.thumbnail", "message_quoted_media.transferred", "message_quoted_media.width",
		"message_quoted_text.thumbnail", "message_rating.rating", "message_revoked.admin_jid", "message_revoked.revoke_timestamp",
		"message_revoked.revoked_key_id", "message_secret", "message_secret.message_secret", "message_send_count.send_count",
		"message_streaming_sidecar.chunk_lengths", "message_streaming_sidecar.sidecar", "message_streaming_sidecar.timestamp", "message_system.action_type",
		"message_system_block_contact.is_blocked", "message_system_business_state.business_name", "message_system_business_state.privacy_message_type",
		"message_system_chat_participant.user_jid", "message_system_community_link_changed.linked_parent_group_jid",
		"message_system_community_link_changed.new_group_type", "message_system_community_link_changed.old_group_type",
		"message_system_device_change.device_added_count", "message_system_device_change.device_removed_count",
		"message_system_ephemeral_setting_not_applied.setting_duration", "message_system_group.is_me_joined",
		"message_system_initial_privacy_provider.biz_state_id", "message_system_initial_privacy_provider.privacy_provider",
		"message_system_initial_privacy_provider.verified_biz_name", "message_system_number_change.new_jid", "message_system_number_change.old_jid",
		"message_system_photo_change.new_photo", "message_system_photo_change.new_photo_id", "message_system_photo_change.old_photo",
		"message_system_value_change.old_data", "message_template.category", "message_template.content_text_data",
		"message_template.csat_trigger_expiration_ts", "message_template.footer_text_data", "message_template.masked_linked_devices", "message_template.tag",
		"message_template.template_type", "message_text.background_color", "message_text.description", "message_text.font_style",
		"message_text.invite_link_group_type", "message_text.page_title", "message_text.preview_type", "message_text.text_color", "message_text.url",
		"message_thumbnail.thumbnail", "message_thumbnails.thumbnail", "message_type", "message_ui_elements.element_content",
		"message_ui_elements.element_type", "message_vcard.vcard", "message_vcard_jid.vcard_jid", "message_vcard_jid.vcard_row_id",
		"message_view_once_media.state", "multicast_id", "needs_push", "nickname", "number", "offer_silence_reason", "origin", "origin_flags",
		"origination_flags", "originator_device", "participant", "participant_hash", "payment_transaction_id", "phone_label", "phone_type",
		"photo_id_timestamp", "photo_ts", "played_device_timestamp", "preview_type", "quoted_row_id", "raw_contact_id", "raw_data", "reaction",
		"read_device_timestamp", "receipt_device.primary_device_version", "receipt_device.receipt_device_jid", "receipt_device.receipt_device_timestamp",
		"receipt_device_timestamp", "receipt_server_timestamp", "receipt_user.account", "receipt_user.played_timestamp", "receipt_user.read_timestamp",
		"receipt_user.receipt_timestamp", "received_timestamp", "recipient_count", "scheduled_id", "send_status", "send_timestamp", "sender_jid_row_id",
		"server_sts", "sort_id", "sort_name", "starred", "status", "status_autodownload_disabled", "status_timestamp", "telecom_uuid", "text_data_encrypted",
		"thumb_image", "thumb_ts", "title", "transaction_id", "translated_text", "unseen_msg_count", "username", "verified_level", "verified_name",
		"video_call", "view_mode", "view_replies_count", "wa_name",
	},
	Detect: detectWhatsAppDB,
	Read:   readWhatsAppDB,
}

func detectWhatsAppDB(s reader.Sample) int {
	if sqlitedoc.Mentions(s, "key_remote_jid", "CREATE TABLE jid", "CREATE TABLE message_media", "CREATE TABLE wa_contacts") {
		return 95
	}
	return 0
}

// readWhatsAppDB yields one item for each message and each call. Record is the number of the
// row in its table; a row has no position of its own in the file.
func readWhatsAppDB(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		r := whatsappDB{
			in: in, jids: map[int64]string{}, lids: map[int64]int64{}, chats: map[int64]whatsappDBChat{},
			names: map[string]string{}, members: map[string][]string{}, quoted: map[int64]string{},
		}
		r.give = func(item reader.Item, err error) bool {
			r.given++
			return yield(item, err)
		}
		err := r.read(ctx)
		if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok {
			yield(reader.Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errEnough) {
			yield(reader.Item{}, err)
		}
	}
}

// whatsappDBLimit is the maximum number of known chats, accounts and names.
const whatsappDBLimit = 1 << 18

// whatsappDBIgnored are the columns that the reader leaves out, with the reason.
var whatsappDBIgnored = map[string]string{
	"jid.user": "a part of raw_string", "jid.server": "a part of raw_string", "jid.agent": "a part of raw_string", "jid.device": "a part of raw_string", "jid.type": "a part of raw_string",
	"chat.sort_timestamp": "the order on the screen", "chat.last_message_sort_id": "the order on the screen", "chat.display_message_sort_id": "the order on the screen",
	"chat.display_message_row_id": "the number of a row", "chat.last_message_row_id": "the number of a row", "chat.last_read_message_row_id": "the number of a row",
	"chat.last_read_receipt_sent_message_row_id": "the number of a row", "chat.last_important_message_row_id": "the number of a row",
}

type whatsappDB struct {
	in   reader.Input
	give func(reader.Item, error) bool
	// owner is the account of the phone; ownName is its own name for itself.
	owner, ownName string
	*sqlitedoc.Database
	jids    map[int64]string
	lids    map[int64]int64 // maps maps a hidden id's number to the account's
	chats   map[int64]whatsappDBChat
	names   map[string]string   // of accounts, by jid
	members map[string][]string // accounts in groups, by the group's jid
	quoted  map[int64]string    // ids of quoted messages, in the old schema
	// given counts the items; rows counts those of the current table, and passed its
	// placeholders.
	given, rows, passed uint64
}

type whatsappDBChat struct{ jid, subject string }

func (r *whatsappDB) read(ctx context.Context) error {
	d, err := sqlitedoc.Open(ctx, r.in.File, r.in.Size, r.in.RecordLimit())
	if err != nil {
		return err
	}
	defer d.Close()
	r.Database = d
	if err := r.tables(ctx); err != nil {
		return err
	}
	if item, ok := d.Left(whatsappDBIgnored); ok && !r.give(item, nil) {
		return errEnough
	}
	return nil
}

func (r *whatsappDB) tables(ctx context.Context) (err error) {
	d := r.Database
	if r.owner, err = whatsappOwner(ctx, r.in); err != nil {
		return err
	}
	if err := r.readNames(ctx); err != nil {
		return err
	}
	if err := r.Each("props", "_id", func(row *sqlitedoc.Rows) error {
		if row.Text("key") == "user_push_name" {
			r.ownName = argus.CleanName(row.Text("value"))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, problem := range d.Lacks(r.in) {
		if !r.give(reader.Item{Problem: problem}, nil) {
			return errEnough
		}
	}
	isNew := d.Tables["message"] && d.Tables["jid"] && d.Tables["chat"]
	if d.Tables["wa_contacts"] {
		if err := r.Each("wa_contacts", "_id", func(row *sqlitedoc.Rows) error { return r.item("wa_contacts", row, r.contact(row)) }); err != nil {
			return err
		}
		if !isNew && !d.Tables["messages"] {
			return nil // only the address book
		}
		r.rows = 0
	}
	if !isNew && !d.Tables["messages"] {
		return sqlitedoc.Damaged{Err: errors.New("want a table of messages, found none")}
	}
	// While WhatsApp migrated to the new tables, both had messages, some of them the same:
	// those are sightings of each other, by their keys.
	if isNew {
		err = r.newSchema()
		if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok && d.Tables["messages"] {
			if err = nil; !r.give(reader.Item{Problem: bad.Error()}, nil) {
				return errEnough
			}
		}
	}
	if err == nil && d.Tables["messages"] {
		err = r.oldSchema()
	}
	return err
}

// whatsappOwner returns the account of the phone: the operator's choice, the one in the app's
// settings if the folder shared_prefs is next to that of the databases, otherwise the one in
// the file's path.
func whatsappOwner(ctx context.Context, in reader.Input) (string, error) {
	owner := ""
	for _, name := range []string{"com.whatsapp_preferences_light.xml", "com.whatsapp_preferences.xml"} {
		if in.Owner != "" || in.Sibling == nil {
			break
		}
		file, size, ok := in.Sibling(path.Join(path.Dir(in.Name), "../shared_prefs", name))
		if !ok {
			continue
		}
		settings := xmldoc.Reading{
			IsRecord: func(t xmldoc.Tag) bool { return string(t.Name) == "string" },
			Begins:   func(tag []byte) bool { return bytes.HasPrefix(tag, []byte("<string ")) },
			Parse: func(e *xmldoc.Element) (*argus.Message, error) {
				if number := e.Value(); e.Attr("name") == "registration_jid" && number != "" && strings.Trim(number, "0123456789") == "" {
					owner = "+" + strings.Clone(number)
				}
				return nil, nil
			},
		}
		for _, err := range settings.Read(ctx, reader.Input{Name: name, File: file, Size: size, Options: in.Options}) {
			if err != nil {
				return "", err
			}
		}
	}
	return cmp.Or(in.Owner, owner, argus.OwnerOf+in.Name), nil
}

// readNames reads the address book next to the database.
func (r *whatsappDB) readNames(ctx context.Context) error {
	if r.in.Sibling == nil {
		return nil
	}
	file, size, ok := r.in.Sibling(path.Join(path.Dir(r.in.Name), "wa.db"))
	if !ok {
		return nil
	}
	d, err := sqlitedoc.Open(ctx, file, size, r.in.RecordLimit())
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Each("wa_contacts", "_id", func(row *sqlitedoc.Rows) error {
		if name := cmp.Or(row.Text("display_name"), row.Text("wa_name")); name != "" && len(r.names) < whatsappDBLimit {
			r.names[row.Text("jid")] = argus.CleanName(name)
		}
		return nil
	})
}

// contact reads an entry of the address book: an account, or a group.
func (r *whatsappDB) contact(row *sqlitedoc.Rows) *argus.Message {
	jid := row.Text("jid")
	m := &argus.Message{Service: cmp.Or(r.in.Service, "whatsapp")}
	row.Keep(m, "", "_id", "jid")
	names := []string{row.Text("display_name"), row.Text("wa_name"), strings.TrimSpace(row.Text("given_name") + " " + row.Text("family_name")), row.Text("nickname")}
	if build.IsGroupID(jid) {
		m.Conversation, m.Title = jid, argus.CleanName(names[0])
		build.Room(m, "group", nil)
		return m
	}
	var accounts []string
	for _, account := range []string{build.AppAccount(jid), build.AccountOf(argus.CleanName(row.Text("number")))} {
		if account != "" && !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
		}
	}
	build.Contact(m, "contact", accounts, names...)
	build.AlsoSaid(m, row.Text("status"))
	return m
}

// errEnough means that the receiver wants no more.
var errEnough = errors.New("stopped")

// item yields the message of a row.
func (r *whatsappDB) item(table string, row *sqlitedoc.Rows, m *argus.Message) error {
	item := reader.Item{Message: m, Where: argus.Where{Record: uint64(max(row.Number("_id"), 0))}}
	if err := build.Valid(m); err != nil {
		item.Message, item.Problem = nil, fmt.Sprintf("row %d of %s: %v", row.Number("_id"), table, err)
	}
	if r.rows++; !r.give(item, nil) {
		return errEnough
	}
	return nil
}

// states yields, after a table's messages, the number of messages that it has ever had.
func (r *whatsappDB) states(table string) error {
	item, ok := r.Stated(table, r.passed, r.given-r.rows)
	r.rows, r.passed = 0, 0
	if !ok {
		return nil
	}
	r.given-- // it is not a message
	if !r.give(item, nil) {
		return errEnough
	}
	return nil
}

// newSchema reads the tables of 2022 and later, in which other tables hold the parts of a
// message, keyed by its row.
func (r *whatsappDB) newSchema() error {
	err := errors.Join(
		r.Each("jid", "_id", func(row *sqlitedoc.Rows) error {
			if len(r.jids) < whatsappDBLimit {
				r.jids[row.Number("_id")] = row.Text("raw_string")
			}
			return nil
		}),
		r.Each("jid_map", "lid_row_id", func(row *sqlitedoc.Rows) error {
			if len(r.lids) < whatsappDBLimit {
				r.lids[row.Number("lid_row_id")] = row.Number("jid_row_id")
			}
			return nil
		}),
		r.Each("group_participant_user", "group_jid_row_id", func(row *sqlitedoc.Rows) error {
			r.join(r.jid(row.Number("group_jid_row_id")), r.jid(row.Number("user_jid_row_id")))
			return nil
		}),
		r.Each("chat", "_id", func(row *sqlitedoc.Rows) error {
			if len(r.chats) < whatsappDBLimit {
				r.chats[row.Number("_id")] = whatsappDBChat{r.jid(row.Number("jid_row_id")), row.Text("subject")}
			}
			return nil
		}),
	)
	if err != nil {
		return err
	}
	var parts []*whatsappDBPart
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		if name == "message" || !r.Has(name, "message_row_id") {
			continue
		}
		rows, err := r.Table(name, "message_row_id")
		if err != nil {
			if err := r.lose(name, err); err != nil {
				return err
			}
			continue
		}
		defer rows.Close()
		if part := (&whatsappDBPart{table: name, Rows: rows, key: "message_row_id", more: rows.Next()}); part.more || rows.Err != nil {
			parts = append(parts, part)
		} else {
			rows.Close()
		}
	}
	if r.Tables["message_add_on"] && r.Tables["message_add_on_reaction"] {
		rows, err := r.Query(`SELECT +a.parent_message_row_id AS message_row_id, +a.from_me AS from_me, +a.sender_jid_row_id AS sender_jid_row_id, +a.timestamp AS timestamp, +x.reaction AS reaction
			FROM message_add_on a JOIN message_add_on_reaction x ON x.message_add_on_row_id = a._id ORDER BY a.parent_message_row_id`)
		if err != nil {
			if err := r.lose("message_add_on", err); err != nil {
				return err
			}
		} else {
			defer rows.Close()
			r.Rest("message_add_on", "parent_message_row_id", "from_me", "sender_jid_row_id", "timestamp")
			r.Rest("message_add_on_reaction", "message_add_on_row_id", "reaction")
			parts = append(parts, &whatsappDBPart{table: "reaction", Rows: rows, key: "message_row_id", more: rows.Next()})
		}
	}
	err = r.Each("message", "_id", func(row *sqlitedoc.Rows) error {
		m, err := r.message(row, parts)
		if err != nil {
			return err
		}
		if m == nil {
			r.passed++
			return nil
		}
		return r.item("message", row, m)
	})
	for _, p := range parts {
		for ; p.more; p.more = p.Next() {
			p.lost++
		}
		r.Orphans(p.table, p.Rows, p.lost)
	}
	if err == nil {
		err = r.states("message")
	}
	if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok {
		if err = nil; !r.give(reader.Item{Problem: bad.Error()}, nil) {
			return errEnough
		}
	}
	if err != nil {
		return err
	}
	in := &alongside{Rows: &sqlitedoc.Rows{}, key: "call_log_row_id"}
	if r.Tables["call_log_participant_v2"] {
		if in.Rows, err = r.Table("call_log_participant_v2", "call_log_row_id"); err != nil {
			return r.Damage(err)
		}
		defer in.Close()
	}
	return r.Each("call_log", "_id", func(row *sqlitedoc.Rows) error {
		m := r.call(row)
		if err := in.to(row.Number("_id"), func() {
			who := build.AppAccount(r.jid(in.Number("jid_row_id")))
			if who != m.From && !slices.Contains(m.To, who) && len(m.To) < build.ParticipantLimit {
				m.To = append(m.To, who)
			}
			if c := m.Facts.Call; who != "" && len(c.Participants) < build.ParticipantLimit {
				c.Participants = append(c.Participants, who)
			}
			build.KeepExtra(m, "participant", strings.TrimSpace(who+" "+in.Text("call_result")))
		}); err != nil {
			return r.Damage(err)
		}
		if c := m.Facts.Call; len(c.Participants) > 0 && m.From != "" && !slices.Contains(c.Participants, m.From) {
			c.Participants = append([]string{m.From}, c.Participants...)
		}
		return r.item("call_log", row, m)
	})
}

// join adds an account to a group.
func (r *whatsappDB) join(group, account string) {
	if n := len(r.members[group]); account != "" && n < build.ParticipantLimit && (n > 0 || len(r.members) < whatsappDBLimit) {
		r.members[group] = append(r.members[group], build.AppAccount(account))
	}
}

// whatsappDBPart is a table whose rows belong to messages. It is read along with them, in the
// same order.
type whatsappDBPart struct {
	table, key string
	*sqlitedoc.Rows
	more bool
	lost uint64 // rows that belong to no message
}

// jid returns the account of a row: for a hidden id (lid) the known account behind it.
func (r *whatsappDB) jid(row int64) string {
	if of, ok := r.lids[row]; ok && r.jids[of] != "" {
		return r.jids[of]
	}
	return r.jids[row]
}

// message reads a row and its parts. The first row of some databases is a placeholder without
// chat and time, which is skipped.
func (r *whatsappDB) message(row *sqlitedoc.Rows, parts []*whatsappDBPart) (*argus.Message, error) {
	id := row.Number("_id")
	chat := r.chats[row.Number("chat_row_id")]
	if row.Number("chat_row_id") <= 0 && row.Number("timestamp") == 0 {
		return nil, nil
	}
	m := &argus.Message{}
	r.place(m, chat, row.Number("from_me") == 1, r.jid(row.Number("sender_jid_row_id")))
	m.ServiceID, m.Text = row.Text("key_id"), textdoc.LineFeeds(row.Text("text_data"))
	m.Sent = rowTime(m, row, "timestamp", millis)
	if row.Number("from_me") == 0 {
		m.Received = rowTime(m, row, "received_timestamp", millis)
	}
	rowNames(m, row, "chat_row_id", chat.jid != "")
	rowNames(m, row, "sender_jid_row_id", r.jid(row.Number("sender_jid_row_id")) != "")
	row.Keep(m, "", "_id", "chat_row_id", "from_me", "key_id", "text_data", "timestamp")
	var also whatsappDBParts
	for _, p := range parts {
		for p.more && p.Number(p.key) < id {
			p.lost++
			p.more = p.Next()
		}
		for p.more && p.Number(p.key) == id {
			r.part(m, p, &also)
			p.more = p.Next()
		}
		if p.Err != nil {
			if err := r.lose(p.table, p.Err); err != nil {
				return nil, err
			}
			p.Rows, p.more = &sqlitedoc.Rows{}, false
		}
	}
	switch row.Number("message_type") {
	case 7:
		whatsappEvent(m, also.action, also.whom, m.Text)
	case 15:
		m.State |= argus.StateDeleted
	default:
		if also.poll {
			question := m.Text
			m.Text = ""
			build.Polled(m, question, also.options)
		}
	}
	return m, nil
}

// whatsappDBParts holds data of other tables about a message that has no field.
type whatsappDBParts struct {
	action  int64    // of message_system
	whom    []string // the objects of an event
	poll    bool
	options []string
}

// whatsappEvents are the numbers that WhatsApp uses for events in a group, as far as public
// readers of its database know them.
var whatsappEvents = map[int64]string{
	1: "subject", 4: "add", 5: "leave", 6: "picture", 7: "remove", 11: "create", 12: "add", 14: "remove", 18: "key changed", 19: "encrypted", 20: "join",
}

// whatsappEvent makes an event in a group from its number. A departing member is its object.
// The sender, if there is one, is the actor.
func whatsappEvent(m *argus.Message, event int64, whom []string, text string) {
	word := whatsappEvents[event]
	told := word
	if text != "" {
		told = strings.TrimPrefix(word+": "+text, ": ")
	}
	switch event {
	case 1:
		build.Renamed(m, text, "system", told)
	case 4, 5, 7, 11, 12, 14, 20:
		build.Joined(m, word, whom, "system", told)
	default:
		build.Notice(m, "system", told)
	}
}

// lose reports a lost table.
func (r *whatsappDB) lose(table string, err error) error {
	item, err := r.Lost(table, err)
	if err != nil {
		return err
	}
	if !r.give(item, nil) {
		return errEnough
	}
	return nil
}

func millis(n int64) argus.Time {
	if n <= 0 || n > 1<<50 {
		return argus.Time{}
	}
	return argus.Time{Micros: n * 1000, Precision: argus.Milli}
}

// place sets service, conversation and accounts.
func (r *whatsappDB) place(m *argus.Message, chat whatsappDBChat, fromMe bool, sender string) {
	m.Service = cmp.Or(r.in.Service, "whatsapp")
	other := build.AppAccount(chat.jid)
	m.Title = cmp.Or(argus.CleanName(chat.subject), r.names[chat.jid])
	direct := !strings.HasSuffix(chat.jid, "@g.us") && !strings.HasSuffix(chat.jid, "@broadcast") && !strings.HasSuffix(chat.jid, "@newsletter")
	m.Conversation = chat.jid
	if direct {
		m.Conversation = argus.DirectConversation(r.owner, other)
	}
	switch {
	case fromMe:
		m.From, m.FromName = r.owner, r.ownName
		if direct && other != "" {
			m.To = []string{other}
		}
	case sender != "":
		m.From, m.FromName = build.AppAccount(sender), r.names[sender]
		m.To = []string{r.owner}
	case direct:
		m.From, m.FromName = other, r.names[chat.jid]
		m.To = []string{r.owner}
	}
	if members := r.members[chat.jid]; len(members) > 0 {
		m.To = build.Others(members, m.From)
	}
	if m.From == "" {
		m.State |= argus.StateSystem
	}
}

// part adds the data of another table to a message.
func (r *whatsappDB) part(m *argus.Message, p *whatsappDBPart, also *whatsappDBParts) {
	switch p.table {
	case "message_system":
		also.action = p.Number("action_type")
		r.keep(m, p)
	case "message_system_chat_participant":
		if who := build.AppAccount(r.jid(p.Number("user_jid_row_id"))); who != "" && len(also.whom) < build.ParticipantLimit {
			also.whom = append(also.whom, who)
		}
		r.keep(m, p)
	case "message_location":
		place := argus.Location{Latitude: p.Text("latitude"), Longitude: p.Text("longitude")}
		if place != (argus.Location{}) {
			place.Name = strings.TrimSpace(p.Text("place_name") + " " + p.Text("place_address"))
			build.SentPlace(m, place)
		}
		r.keep(m, p)
	case "message_vcard":
		sentVCard(m, p.Text("vcard"))
		r.keep(m, p)
	case "message_poll":
		also.poll = true
		r.keep(m, p)
	case "message_poll_option":
		if option := p.Text("option_name"); option != "" && len(also.options) < build.ParticipantLimit {
			also.poll, also.options = true, append(also.options, option)
		}
		r.keep(m, p)
	case "message_media":
		m.Attachments = append(m.Attachments, argus.Attachment{
			Name: cmp.Or(p.Text("file_path"), p.Text("media_name"), p.Text("message_url")), Size: max(0, p.Number("file_size")), Type: p.Text("mime_type"),
		})
		if caption := p.Text("media_caption"); m.Text == "" {
			m.Text = textdoc.LineFeeds(caption)
		}
		r.keep(m, p, "file_path", "file_size", "mime_type")
	case "message_quoted":
		m.ReplyTo = p.Text("key_id")
		r.keep(m, p, "key_id")
	case "message_revoked":
		m.State |= argus.StateDeleted
		r.keep(m, p)
	case "message_edit_info":
		build.Edited(m, millis(p.Number("edited_timestamp")))
		r.keep(m, p)
	case "message_forwarded":
		m.ForwardedFrom = "?"
		r.keep(m, p)
	case "receipt_user":
		who := build.AppAccount(r.jid(p.Number("receipt_user_jid_row_id")))
		if m.From == r.owner && len(m.To) == 1 && !m.Received.Known() {
			m.Received, m.Read = millis(p.Number("receipt_timestamp")), millis(p.Number("read_timestamp"))
		}
		build.KeepExtra(m, p.table+".account", who)
		r.keep(m, p, "receipt_user_jid_row_id")
	case "reaction":
		who := build.AppAccount(r.jid(p.Number("sender_jid_row_id")))
		if p.Number("from_me") == 1 {
			who = r.owner
		}
		build.KeepExtra(m, "reaction", fmt.Sprintf("%s %s %s", who, millis(p.Number("timestamp")), p.Text("reaction")))
	default:
		r.keep(m, p)
	}
}

// keep adds the data of another table to a message under its column names; references to
// rows of the jid table are replaced by the accounts.
func (r *whatsappDB) keep(m *argus.Message, p *whatsappDBPart, used ...string) {
	prefix := p.table + "."
	for _, name := range p.Names {
		if who := r.jid(p.Number(name)); strings.HasSuffix(name, "_jid_row_id") && who != "" && !slices.Contains(used, name) {
			build.KeepExtra(m, prefix+strings.TrimSuffix(name, "_row_id"), build.AppAccount(who))
			used = append(used, name)
		}
	}
	p.Keep(m, prefix, append(used, "_id", "message_row_id", "chat_row_id")...)
}

// call reads a row of the list of calls.
func (r *whatsappDB) call(row *sqlitedoc.Rows) *argus.Message {
	m := &argus.Message{}
	fromMe := row.Number("from_me") == 1
	r.place(m, whatsappDBChat{jid: r.jid(row.Number("jid_row_id"))}, fromMe, "")
	if group := r.jid(row.Number("group_jid_row_id")); group != "" {
		m.Conversation = group
	}
	m.ServiceID, m.Sent = row.Text("call_id"), millis(row.Number("timestamp"))
	c, direction := argus.Call{Direction: "in", Video: row.Number("video_call") != 0}, "incoming"
	if fromMe {
		c.Direction, direction = "out", "outgoing"
	}
	c.Seconds = uint64(max(row.Number("duration"), 0))
	switch c.Answered = build.AnsweredIn(c.Seconds); {
	case row.Number("call_result") == 5:
		c.Answered = "yes"
	case c.Seconds == 0 && (row.Number("call_result") == 2 || row.Number("call_result") == 3):
		c.Answered = "no"
	}
	build.Called(m, c, "call", fmt.Sprintf("%s; duration: %d s; result: %d", direction, row.Number("duration"), row.Number("call_result")))
	row.Keep(m, "", "_id", "jid_row_id", "from_me", "call_id", "timestamp")
	return m
}

// oldSchema reads the single table used before 2022.
func (r *whatsappDB) oldSchema() error {
	subjects := map[string]string{}
	err := r.Each("chat_list", "_id", func(row *sqlitedoc.Rows) error {
		if len(subjects) < whatsappDBLimit {
			subjects[row.Text("key_remote_jid")] = row.Text("subject")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := errors.Join(
		r.Each("messages_quotes", "_id", func(row *sqlitedoc.Rows) error {
			if len(r.quoted) < whatsappDBLimit {
				r.quoted[row.Number("_id")] = row.Text("key_id")
			}
			return nil
		}),
		r.Each("group_participants", "_id", func(row *sqlitedoc.Rows) error {
			r.join(row.Text("gjid"), row.Text("jid"))
			return nil
		}),
	); err != nil {
		return err
	}
	r.rows, r.passed = 0, 0 // of calls
	err = r.Each("messages", "_id", func(row *sqlitedoc.Rows) error {
		jid := row.Text("key_remote_jid")
		if jid == "-1" || jid == "" {
			r.passed++
			return nil // the placeholder at the beginning of the table
		}
		m := &argus.Message{}
		fromMe := row.Number("key_from_me") == 1
		r.place(m, whatsappDBChat{jid, subjects[jid]}, fromMe, row.Text("remote_resource"))
		m.ServiceID, m.Sent = row.Text("key_id"), rowTime(m, row, "timestamp", millis)
		if !fromMe {
			m.Received = rowTime(m, row, "received_timestamp", millis)
		}
		m.Read = rowTime(m, row, "read_device_timestamp", millis)
		if data, ok := row.Value("data").([]byte); ok {
			m.Text = strings.ToValidUTF8(string(bytes.ToValidUTF8(data, []byte("\uFFFD"))), "\uFFFD")
		} else {
			m.Text = textdoc.LineFeeds(row.Text("data"))
		}
		kind := row.Text("media_wa_type")
		if name := cmp.Or(row.Text("media_name"), row.Text("media_url")); (name != "" || row.Number("media_size") > 0) && kind != "4" && kind != "5" {
			m.Attachments = []argus.Attachment{{Name: name, Size: max(0, row.Number("media_size")), Type: row.Text("media_mime_type")}}
			if m.Text == "" {
				m.Text = textdoc.LineFeeds(row.Text("media_caption"))
			}
		}
		m.ReplyTo = r.quoted[row.Number("quoted_row_id")]
		if row.Number("forwarded") > 0 {
			m.ForwardedFrom = "?"
		}
		if kind == "15" || row.Number("edit_version") == 7 {
			m.State |= argus.StateDeleted
		}
		if kind == "5" {
			build.SentPlace(m, argus.Location{Latitude: row.Text("latitude"), Longitude: row.Text("longitude"), Name: row.Text("media_name")})
		}
		if card := m.Text; kind == "4" {
			if m.Text = ""; sentVCard(m, card) {
				build.KeepExtra(m, "data", card)
			} else {
				m.Text = card
			}
		}
		row.Keep(m, "", "_id", "key_remote_jid", "key_from_me", "key_id", "data", "timestamp", "remote_resource", "media_size", "media_mime_type")
		if row.Number("status") == 6 {
			// The actor is not stated: key_from_me is always 1.
			whom := build.OneOf(build.AppAccount(row.Text("remote_resource")))
			m.From, m.FromName, m.To, m.Attachments = "", "", whom, nil
			whatsappEvent(m, row.Number("media_size"), whom, m.Text)
		}
		return r.item("messages", row, m)
	})
	if err != nil {
		return err
	}
	return r.states("messages")
}
