package transcript

import "github.com/argus-evidence/argus/internal/reader/textdoc"

// clockWords are the words around a time, in lower case without dots and spaces: 'a' before
// noon, 'p' after it, 'n' around noon (11 is before, 12 and later after it), 'm' midnight, 'e'
// an evening that may last past midnight, '-' only a joining word. Source: Unicode CLDR, day
// periods; joining words from the layouts of its date-time patterns.
var clockWords = map[string]byte{
	"am": 'a', "pm": 'p', "a": 'a', "p": 'p',
	"vorm": 'a', "nachm": 'p', "voorm": 'a', "de": 'a', "du": 'p',
	"πμ": 'a', "μμ": 'p', "öö": 'a', "ös": 'p', "dop": 'a', "odp": 'p', "odpo": 'p', "ap": 'a', "ip": 'p',
	"fm": 'a', "em": 'p', "sa": 'a', "ch": 'p', "pg": 'a', "ptg": 'p', "pd": 'a', "md": 'p',
	"vm": 'a', "nm": 'p', "eparadites": 'a', "epasdites": 'p', "paradite": 'a', "pasdite": 'p', "дп": 'a', "пп": 'p',
	"prijepodne": 'a', "prepodne": 'a', "popodne": 'p', "poslijepodne": 'p',
	"преподне": 'a', "поподне": 'p', "претпл": 'a', "попл": 'p', "проб": 'a', "слоб": 'p',
	"priekšp": 'a', "priekšpusdienā": 'a', "pēcp": 'p', "pēcpusdienā": 'p', "priešpiet": 'a', "popiet": 'p', "pop": 'p',
	"fh": 'a', "eh": 'p', "rn": 'a', "in": 'p', "yb": 'a', "yh": 'p',
	"moies": 'a', "nomëttes": 'p', "gh": 'a', "gd": 'p', "to": 'a', "tk": 'p', "тң": 'a', "тк": 'p', "үө": 'a', "үх": 'p',
	"delamañana": 'a', "delatarde": 'p', "delanoche": 'e', "demanhã": 'a', "datarde": 'p', "danoite": 'e',
	"nachmittags": 'p', "vormittags": 'a', "mittags": 'n', "mittag": 'n', "midi": 'n', "noon": 'n', "midnight": 'm', "minuit": 'm', "mitternacht": 'm', "medianoche": 'm', "mediodía": 'n',
	"inthemorning": 'a', "intheafternoon": 'p', "intheevening": 'p', "atnight": 'e',
	"ص": 'a', "م": 'p', "قظ": 'a', "بظ": 'p', "غم": 'a', "غو": 'p', "بن": 'a', "دن": 'p', "قبلدوپہر": 'a', "بعددوپہر": 'p',
	"לפנהצ": 'a', "אחהצ": 'p',
	"पूर्वाह्न": 'a', "अपराह्न": 'p', "मपू": 'a', "मउ": 'p', "পূর্বাহ্ণ": 'a', "পূর্বাহ্ন": 'a', "অপরাহ্ণ": 'p', "অপরাহ্ন": 'p',
	"முற்பகல்": 'a', "பிற்பகல்": 'p', "ਪੂਦੁ": 'a', "ਬਾਦੁ": 'p', "පෙව": 'a', "පව": 'p', "ಪೂರ್ವಾಹ್ನ": 'a', "ಅಪರಾಹ್ನ": 'p',
	"ก่อนเที่ยง": 'a', "หลังเที่ยง": 'p', "ກ່ອນທ່ຽງ": 'a', "ຫຼັງທ່ຽງ": 'p', "ព្រឹក": 'a', "ល្ងាច": 'p', "နံနက်": 'a', "ညနေ": 'p',
	"ጥዋት": 'a', "ከሰዓት": 'p',
	"上午": 'a', "凌晨": 'a', "清晨": 'a', "早上": 'a', "早晨": 'a', "中午": 'n', "正午": 'n', "下午": 'p', "傍晚": 'p', "晚上": 'e', "夜里": 'e', "夜裡": 'e', "午夜": 'm', "半夜": 'm',
	"오전": 'a', "오후": 'p', "정오": 'n', "자정": 'm', "午前": 'a', "午後": 'p', "真夜中": 'm',
	"à": '-', "às": '-', "alas": '-', "klo": '-', "kl": '-', "um": '-', "ore": '-', "в": '-', "at": '-', "ч": '-', "ora": '-', "о": '-', "lúc": '-',
}

// eraWords are the words after a four-digit year, without dots and in lower case.
var eraWords = map[string]bool{
	"be": true, "พศ": true, "ap": true, "ah": true, "ad": true, "ce": true, "г": true, "р": true, "ж": true, "هـش": true, "هش": true,
}

// The phrases that WhatsApp itself writes into exports, in lower case, without direction marks
// and full stop. English, German, Dutch, French, Spanish, Portuguese, Italian, Turkish,
// Russian, Polish; those of iPhones also in Czech, Ukrainian, Arabic, Hindi, Indonesian,
// Japanese, Thai and Vietnamese.
var (
	deletedPhrases = textdoc.Phrases("this message was deleted", "you deleted this message",
		"diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht",
		"dit bericht is verwijderd", "je hebt dit bericht verwijderd", "u hebt dit bericht verwijderd",
		"ce message a été supprimé", "vous avez supprimé ce message",
		"se eliminó este mensaje", "este mensaje fue eliminado", "eliminaste este mensaje",
		"mensagem apagada", "esta mensagem foi apagada", "você apagou esta mensagem", "essa mensagem foi apagada",
		"questo messaggio è stato eliminato", "hai eliminato questo messaggio",
		"bu mesaj silindi", "bu mesajı sildiniz",
		"данное сообщение удалено", "вы удалили данное сообщение",
		"ta wiadomość została usunięta", "usunięto tę wiadomość",
		"tato zpráva byla smazána", "tuto zprávu jste smazal/a", "odstranil(a) jste tuto zprávu", "tato zpráva byla odstraněna",
		"це повідомлення було видалено", "ви видалили це повідомлення", "apagou esta mensagem", "você apagou essa mensagem",
		"تم حذف هذه الرسالة", "لقد حذَفت هذه الرسالة", "यह मैसेज डिलीट कर दिया गया है", "आपने यह मैसेज डिलीट किया",
		"pesan ini dihapus", "pesan ini telah dihapus", "anda menghapus pesan ini", "このメッセージは削除されました", "このメッセージを削除しました",
		"ข้อความนี้ถูกลบแล้ว", "คุณได้ลบข้อความนี้", "tin nhắn này đã bị xóa", "bạn đã xoá tin nhắn này", "bạn đã xóa tin nhắn này")
	editedPhrases = textdoc.Phrases("this message was edited", "diese nachricht wurde bearbeitet", "dit bericht is bewerkt",
		"ce message a été modifié", "se editó este mensaje", "mensagem editada", "esta mensagem foi editada",
		"questo messaggio è stato modificato", "bu mesaj düzenlendi", "сообщение изменено", "wiadomość została zmieniona")
	// omittedPhrases name the omitted content, by kind if they state it.
	omittedPhrases = map[string]string{
		"media omitted": "", "medien ausgeschlossen": "", "medien weggelassen": "", "media weggelaten": "",
		"médias omis": "", "fichier omis": "", "multimedia omitido": "", "archivo omitido": "", "mídia oculta": "",
		"arquivo de mídia oculto": "", "ficheiro não revelado": "", "media omessi": "", "media omesso": "",
		"medya dahil edilmedi": "", "без медиафайлов": "", "файл пропущен": "", "pominięto multimedia": "",
		"image omitted": "image", "video omitted": "video", "audio omitted": "audio", "gif omitted": "gif",
		"sticker omitted": "sticker", "document omitted": "document", "contact card omitted": "contact", "video note omitted": "video",
		"bild weggelassen": "image", "video weggelassen": "video", "audio weggelassen": "audio", "gif weggelassen": "gif",
		"sticker weggelassen": "sticker", "dokument weggelassen": "document", "kontaktkarte ausgelassen": "contact",
		"afbeelding weggelaten": "image", "video weggelaten": "video", "audio weggelaten": "audio", "gif weggelaten": "gif",
		"sticker weggelaten": "sticker", "document weggelaten": "document",
		"image absente": "image", "vidéo absente": "video", "audio omis": "audio", "sticker omis": "sticker", "document omis": "document",
		"imagen omitida": "image", "video omitido": "video", "audio omitido": "audio", "sticker omitido": "sticker", "documento omitido": "document",
		"imagem ocultada": "image", "vídeo omitido": "video", "áudio ocultado": "audio",
		"média vynechány": "", "obrázek vynechán": "image", "obrázek nebyl přidán": "image", "video vynecháno": "video", "zvukový soubor vynechán": "audio",
		"vizitka vynechána": "contact", "nálepka vynechána": "sticker", "gif vynechán": "gif", "dokument vynechán": "document",
		"зображення відсутнє": "image", "відео відсутнє": "video", "аудіо відсутнє": "audio", "gif-анімацію пропущено": "gif",
		"наклейку не додано": "sticker", "картка контакту відсутня": "contact", "документ пропущено": "document",
		"изображение отсутствует": "image", "видео отсутствует": "video", "аудиофайл отсутствует": "audio", "gif отсутствует": "gif",
		"стикер не добавлен": "sticker", "карточка контакта отсутствует": "contact", "документ отсутствует": "document",
		"imagem omitida": "image", "imagem não revelada": "image", "vídeo não revelado": "video", "ficheiro de áudio não revelado": "audio",
		"gif não revelada": "gif", "sticker não revelado": "sticker", "contacto não revelado": "contact", "documento não revelado": "document",
		"áudio omitido": "audio", "figurinha omitida": "sticker", "cartão do contato omitido": "contact",
		"لم يتم إدراج الصورة": "image", "لم يتم إدراج الفيديوهات": "video", "لم يتم إدراج المقاطع الصوتية": "audio", "تم حذف الملصقات": "sticker",
		"لم يتم إدراج بطاقة جهة اتصال": "contact", "لم يتم إدراج صورة gif": "gif", "لم يتم إدراج المستند": "document",
		"फ़ोटो हटाई गई": "image", "वीडियो छोड़ा गया": "video", "ऑडियो हटाई गयी": "audio", "gif छोड़ा गया": "gif", "स्टिकर छोड़ा गया": "sticker",
		"कॉन्टैक्ट कार्ड छोड़ा गया": "contact", "डॉक्यूमेंट छोड़ा गया": "document",
		"gambar tidak disertakan": "image", "video tidak disertakan": "video", "audio tidak disertakan": "audio", "gif tidak disertakan": "gif",
		"stiker tidak disertakan": "sticker", "kartu kontak tidak disertakan": "contact", "dokumen tidak disertakan": "document",
		"画像は含まれていません": "image", "ビデオは含まれていません": "video", "音声は含まれていません": "audio", "gifは含まれていません": "gif",
		"スタンプは含まれていません": "sticker", "連絡先カードを省略": "contact", "ドキュメントは含まれていません": "document",
		"ไม่มีรูปภาพ": "image", "วิดีโอถูกลบ": "video", "ไม่มีไฟล์เสียง": "audio", "ละเว้น gif": "gif", "ไม่มีสติกเกอร์": "sticker",
		"บัตรรายชื่อที่ละเว้น": "contact", "ละเว้นเอกสาร": "document",
		"đã bỏ qua hình ảnh": "image", "đã bỏ video": "video", "bỏ qua tệp âm thanh": "audio", "đã bỏ qua ảnh gif": "gif", "đã bỏ sticker": "sticker",
		"bỏ qua thẻ liên lạc": "contact", "đã bỏ qua tài liệu": "document",
		"document manquant": "document", "fiche contact manquante": "contact", "gif retiré": "gif", "tarjeta de contacto omitida": "contact", "gif omitido": "gif",
		"gif esclusa": "gif", "scheda contatto omessa": "contact", "sticker non incluso": "sticker",
		"immagine omessa": "image", "video omesso": "video", "audio omesso": "audio", "documento omesso": "document",
	}
	attachedPhrases = textdoc.Phrases("attached", "anhang", "bijgevoegd", "bijlage", "pièce jointe", "fichier joint", "adjunto",
		"anexado", "allegato", "ekli", "вложение", "прикреплено", "załączono", "angehängt", "terlampir", "přiloženo", "прикріплено")
	filePhrases = textdoc.Phrases("file attached", "datei angehängt", "bestand bijgevoegd", "fichier joint", "archivo adjunto",
		"arquivo anexado", "ficheiro anexado", "file allegato", "dosya ekli", "файл добавлен", "plik załączony", "soubor byl přiložen")
	createdPhrases = []string{"created group", "created the group", "hat die gruppe", "heeft de groep", "heeft groep",
		"a créé le groupe", "creó el grupo", "criou o grupo", "ha creato il gruppo", "grubunu oluşturdu",
		"создал(-а) группу", "создал(а) группу", "создал группу", "utworzył(a) grupę"}
	encryptionPhrases = []string{"end-to-end encrypted", "ende-zu-ende-verschlüsselt", "end-to-end versleuteld",
		"chiffrés de bout en bout", "cifrados de extremo a extremo", "criptografia de ponta a ponta",
		"crittografati end-to-end", "uçtan uca şifreli", "сквозным шифрованием", "szyfrowane end-to-end", "koncovým šifrováním",
		"koncově šifrované", "наскрізним шифруванням", "encriptadas ponto a ponto", "مشفرة تمامًا بين الطرفين", "terenkripsi secara end-to-end",
		"エンドツーエンド暗号化", "การเข้ารหัสจากต้นทางถึงปลายทาง", "được mã hóa đầu cuối", "एंड-टू-एंड एन्क्रिप्टेड"}
	chatPrefixes = []string{"whatsapp chat with ", "whatsapp chat - ", "whatsapp-chat mit ", "whatsapp chat mit ", "whatsapp-chat met ",
		"whatsapp chat met ", "discussion whatsapp avec ", "chat de whatsapp con ", "conversa do whatsapp com ",
		"chat whatsapp con ", "chat do whatsapp com ", "whatsapp sohbeti - ", "чат whatsapp с контактом ", "чат whatsapp с ", "czat whatsapp z ",
		"chat whatsapp s uživatelem "}
)
