// Package all lists the formats that can be read.
package all

import (
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/mail"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
)

// Formats lists every format that can be read. A new format is a file and a line here.
// If formats are equally sure of a file, the earlier one wins.
func Formats() reader.Formats {
	return reader.Formats{
		table.Mapped, // only with a map
		report.JSONL,
		report.Package,
		chat.Telegram,
		chat.TelegramHTML,
		chat.Facebook,
		chat.Discord,
		chat.DiscordPackage,
		chat.Skype,
		chat.Slack,
		chat.Matrix,
		chat.RocketChat,
		phone.Signal,
		phone.SignalBackup,
		report.CASE,
		transcript.Jabber,
		transcript.WhatsApp,
		transcript.LINE,
		transcript.IRC,
		transcript.Textdump,
		table.Sheet,
		phone.SMSBackup,
		report.UFDR,
		transcript.XMPP,
		report.ETSI,
		mail.RSMF,
		mail.EML,
		mail.Mbox,
		mail.MSG,
		mail.PST,
		phone.VCard,
		phone.WhatsAppDB,
		phone.WhatsAppIOS,
		phone.IMessage,
		table.JSON, // for unknown programs, so it is last
	}
}
