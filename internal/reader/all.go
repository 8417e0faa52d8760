package reader

// All lists every format that can be read. A new format is a file and a line here.
// Between formats that are equally sure of a file, the earlier wins.
func All() Formats {
	return Formats{
		jsonlFormat,
		telegramFormat,
		telegramhtmlFormat,
		facebookFormat,
		discordFormat,
		discordpackageFormat,
		skypeFormat,
		slackFormat,
		matrixFormat,
		rocketchatFormat,
		signalFormat,
		signalbackupFormat,
		caseFormat,
		jabberFormat,
		whatsappFormat,
		lineFormat,
		ircFormat,
		textdumpFormat,
		sheetFormat,
		smsbackupFormat,
		ufdrFormat,
		xmppFormat,
		etsiFormat,
		rsmfFormat,
		emlFormat,
		mboxFormat,
		msgFormat,
		pstFormat,
		vcardFormat,
		whatsappdbFormat,
		whatsappiosFormat,
		imessageFormat,
		jsonrecordsFormat, // of no known program, and so the last
	}
}
