package table

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/sheetdoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// sheetField is the meaning of a column of a sheet.
type sheetField uint8

const (
	fieldOther sheetField = iota
	fieldService
	fieldConversation
	fieldTitle
	fieldFrom
	fieldFromName
	fieldTo
	fieldOwner
	fieldContact
	fieldDirection
	fieldID
	fieldReplyTo
	fieldSent
	fieldDate
	fieldTime
	fieldReceived
	fieldRead
	fieldText
	fieldAttachment
	fieldPayload
	fieldKeyID
	fieldAlgorithm
	fieldDeleted
	sheetFields
)

// sheetWords holds, for each field, its name in --map and the header words that identify it,
// in the form that plainHeader gives. {who} matches each word of sheetWho.
var sheetWords = [sheetFields]struct {
	name  string
	words string
}{
	fieldService:      {"service", "service,app,application,platform,network,dienst,plateforme,plattform,servicio,servizio"},
	fieldConversation: {"conversation", "conversation,chat,group,thread,room,channel,{thread} id,id {thread},gesprek,groep,groupe,fil,discussion,unterhaltung,gruppe,konversation,conversacion,grupo,hilo,sala,conversazione,gruppo"},
	fieldTitle:        {"title", "title,subject,{thread} name,{thread} title,onderwerp,groepsnaam,gespreksnaam,nom du groupe,gruppenname,nombre del grupo,nome gruppo,nome del gruppo"},
	fieldFrom:         {"from", "{from},{from} {who},{who} {from}"},
	fieldFromName:     {"from_name", "nickname,nick,alias,bijnaam,pseudo,pseudonyme,surnom,spitzname,apodo,soprannome,{from} {name},{name} {from},{name} du {from},{name} de l {from},{name} des {from},{name} del {from},{name} van {from}"},
	fieldTo:           {"to", "{to},{to} {who},{who} {to}"},
	fieldOwner:        {"owner", "owner,owner {who},{who} owner,own {who},user,account,device,device {who},pin,target,target {who},eigenaar,toestel,proprietaire,titulaire,eigentumer,besitzer,gerat,propietario,titular,proprietario"},
	fieldContact:      {"contact", "contact,contact {who},partner,partner {who},peer,other party,correspondent,contactpersoon,interlocuteur,kontakt,gesprachspartner,contacto,interlocutor,contatto,interlocutore"},
	fieldDirection:    {"direction", "direction,in out,in uit,richting,sens,richtung,direccion,sentido,direzione,direcao,yon,kierunek"},
	fieldID:           {"id", "message id,messageid,msg id,msgid,id message,bericht id,berichtid,id du message,nachrichten id,nachricht id,id mensaje,id del mensaje,id messaggio,id del messaggio,uuid,guid"},
	fieldReplyTo:      {"reply_to", "reply to,in reply to,reply to id,reply to message id,in reply to id,antwoord op,en reponse a,antwort auf,respuesta a,risposta a"},
	fieldSent: {"sent", "sent,sent time,time sent,sent at,sent on,date sent,sent date,timestamp,time stamp,date time,datetime,date and time,message time,created,created at," +
		"verzonden,verzonden op,verzendtijd,tijdstip,tijdstempel,datum en tijd,datum tijd,envoye,envoye le,date d envoi,heure d envoi,horodatage,date et heure,date heure," +
		"gesendet,gesendet am,sendezeit,zeitstempel,datum und uhrzeit,datum uhrzeit,datum zeit,enviado,enviado el,fecha de envio,fecha y hora,fecha hora,marca de tiempo,inviato,inviato il,data invio,data di invio,data e ora,data ora"},
	fieldDate: {"date", "date,day,datum,dag,jour,tag,fecha,data,giorno"},
	fieldTime: {"time", "time,clock,tijd,heure,uhrzeit,zeit,hora,ora"},
	fieldReceived: {"received", "received,received at,received on,received time,time received,received date,delivered,delivered at,ontvangen,ontvangen op,recu,recu le,date de reception," +
		"empfangen,empfangen am,empfangszeit,recibido,recibido el,fecha de recepcion,ricevuto,ricevuto il,data ricezione"},
	fieldRead:       {"read", "read,read at,read on,read time,time read,seen,gelezen,gelezen op,lu,lu le,gelesen,gelesen am,leido,leido el,letto,letto il"},
	fieldText:       {"text", "text,message,body,content,msg,message text,text message,message body,decrypted text,plaintext,bericht,tekst,berichttekst,inhoud,texte,contenu,corps,nachricht,inhalt,nachrichtentext,mensaje,texto,contenido,messaggio,testo,contenuto"},
	fieldAttachment: {"attachment", "attachment,attachments,attachment name,file,file name,filename,media,bijlage,bestand,bestandsnaam,piece jointe,fichier,nom du fichier,anhang,anlage,datei,dateiname,adjunto,archivo,nombre de archivo,allegato,nome file"},
	fieldPayload: {"payload", "payload,locked,locked payload,encrypted,encrypted payload,encrypted text,encrypted message,encrypted content,ciphertext,cipher text,versleuteld,versleutelde inhoud,versleutelde tekst," +
		"chiffre,contenu chiffre,texte chiffre,verschlusselt,verschlusselter inhalt,verschlusselter text,cifrado,contenido cifrado,texto cifrado,cifrato,contenuto cifrato,testo cifrato"},
	fieldKeyID:     {"key_id", "key id,keyid,key,sleutel,sleutel id,cle,id de cle,cle id,schlussel,schlussel id,clave,id clave,id de clave,chiave,id chiave"},
	fieldAlgorithm: {"algorithm", "algorithm,cipher,algoritme,algorithme,algorithmus,algoritmo"},
	fieldDeleted:   {"deleted", "deleted,verwijderd,supprime,geloscht,borrado,eliminado,eliminato,cancellato"},
}

// sheetParts are the alternatives for each word in braces in sheetWords.
var sheetParts = map[string]string{
	"thread": "chat,group,thread,room,channel,conversation,gesprek,groep,groupe,gruppe,gruppen,chat group,group chat,grupo,gruppo,conversacion,conversazione,konversation",
	"from":   "from,sender,author,sent by,van,afzender,verzender,verzonden door,de,expediteur,emetteur,auteur,von,absender,remitente,emisor,autor,mittente,da,autore",
	"to":     "to,recipient,recipients,receiver,sent to,aan,naar,ontvanger,a,destinataire,recepteur,an,empfanger,destinatario,para,receptor,ricevente",
	"who":    "pin,id,handle,account,user,username,user name,user id,number,nr,no,address,email,e mail,mail,email address,e mail address,mail address,phone,phone number,mobile,jid,adres,e mailadres,telefoonnummer,telefonnummer,benutzername,nummer,numero,compte,konto,cuenta,gebruiker,benutzer,usuario,utente",
	"name":   "name,nickname,nick,alias,display name,naam,bijnaam,nom,surnom,pseudo,spitzname,nombre,apodo,nome,soprannome",
}

// sheetHeaders maps each header word to its field. The map is read-only.
var sheetHeaders = sync.OnceValue(func() map[string]sheetField {
	headers := map[string]sheetField{}
	for field := sheetFields - 1; field > fieldOther; field-- {
		for phrase := range strings.SplitSeq(sheetWords[field].words, ",") {
			addPhrase(headers, phrase, field)
		}
	}
	return headers
})

func addPhrase(headers map[string]sheetField, phrase string, field sheetField) {
	before, behind, found := strings.Cut(phrase, "{")
	if !found {
		headers[phrase] = field
		if joined := strings.ReplaceAll(phrase, " ", ""); headers[joined] == fieldOther {
			headers[joined] = field // SENDEREMAIL
		}
		return
	}
	part, behind, _ := strings.Cut(behind, "}")
	for word := range strings.SplitSeq(sheetParts[part], ",") {
		addPhrase(headers, before+word+behind, field)
	}
}

// plainHeader normalises a header to the form of sheetWords: lower case, no accents, single
// spaces, no text in brackets and no zone names. It returns "" for text longer than any
// header.
func plainHeader(s string) string {
	if len(s) > 80 {
		return ""
	}
	s = bracketed.ReplaceAllString(strings.ToLower(s), " ")
	s = dates.ZoneInHeader.ReplaceAllString(s, " ")
	words := strings.FieldsFunc(textdoc.Accents.Replace(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, " ")
}

var bracketed = regexp.MustCompile(`\([^)]*\)|\[[^\]]*\]`)

// sheetHeader is a recognised header.
type sheetHeader struct {
	// names are the columns' own names, fields their meanings; the first column of a field is
	// the one that counts.
	names  []string
	fields []sheetField
	zones  []*time.Location
	column [sheetFields]int
	// log is set if the sheet has no header and is a single chat ([chatLog]).
	log bool
}

// has reports whether there is a column for any of the fields.
func (h *sheetHeader) has(fields ...sheetField) bool {
	return slices.ContainsFunc(fields, func(f sheetField) bool { return h.column[f] >= 0 })
}

// newSheetHeader recognises a row as a header if it names at least a time, a sender and a text
// or encrypted content. mapped assigns columns to fields by name; such a column is used for
// no other field.
func newSheetHeader(cells []sheetdoc.Cell, words map[string]sheetField, mapped map[string]string) *sheetHeader {
	h := &sheetHeader{}
	for f := range h.column {
		h.column[f] = -1
	}
	for name, header := range mapped {
		field := slices.IndexFunc(sheetWords[:], func(w struct{ name, words string }) bool { return w.name == name })
		at := slices.IndexFunc(cells, func(c sheetdoc.Cell) bool {
			return strings.EqualFold(strings.TrimSpace(c.Text), strings.TrimSpace(header))
		})
		if field <= 0 || at < 0 {
			return nil
		}
		h.column[field] = at
	}
	for i, c := range cells {
		name := strings.TrimSpace(c.Text)
		field := words[plainHeader(name)]
		if at := slices.Index(h.column[:], i); at >= 0 {
			field = sheetField(at)
		} else if field != fieldOther && h.column[field] >= 0 {
			field = h.another(field, name, mapped)
		}
		if field != fieldOther {
			h.column[field] = i
		}
		h.names = append(h.names, name)
		h.fields = append(h.fields, field)
		h.zones = append(h.zones, dates.HeaderZone(name))
	}
	for len(h.names) > 0 && h.names[len(h.names)-1] == "" {
		h.names = h.names[:len(h.names)-1]
	}
	h.fields, h.zones = h.fields[:len(h.names)], h.zones[:len(h.names)]
	if !h.has(fieldSent, fieldDate, fieldTime) || !h.has(fieldFrom, fieldContact) && !(h.has(fieldOwner) && h.has(fieldTo)) ||
		!h.has(fieldText, fieldPayload) {
		return nil
	}
	return h
}

// another returns the field of a second column for the same field. Of two senders or
// receivers, a plain one (Author) is a name if the other is an identifier (AuthorID).
func (h *sheetHeader) another(field sheetField, name string, mapped map[string]string) sheetField {
	first := h.column[field]
	if field != fieldFrom && field != fieldTo || first >= len(h.names) || mapped[sheetWords[field].name] != "" {
		return fieldOther
	}
	plain := strings.Split(sheetParts[sheetWords[field].name], ",")
	isPlain := func(name string) bool { return slices.Contains(plain, plainHeader(name)) }
	named := fieldOther
	if field == fieldFrom && h.column[fieldFromName] < 0 {
		named = fieldFromName
	}
	switch {
	case isPlain(name) && !isPlain(h.names[first]):
		return named
	case isPlain(name) || !isPlain(h.names[first]):
		return fieldOther
	}
	h.fields[first] = named
	if named != fieldOther {
		h.column[named] = first
	}
	h.column[field] = -1
	return field
}

// chatLog returns the header for a sheet that has none and is a chat as an app mails it:
// date, time, name, number and text. It returns nil if a row has other cells.
func chatLog(cells []sheetdoc.Cell) *sheetHeader {
	if len(cells) != 5 {
		return nil
	}
	number := build.AccountOf(argus.CleanName(cells[3].Text))
	if _, ok := dates.SplitDate(cells[0].Text); !ok || len(number) < 7 || strings.Trim(number, "+0123456789") != "" {
		return nil
	}
	if clock, ok := dates.ParseClock(cells[1].Text); !ok || clock.Precision == argus.Day {
		return nil
	}
	h := &sheetHeader{zones: make([]*time.Location, len(cells)), log: true}
	for f := range h.column {
		h.column[f] = -1
	}
	for i, f := range []sheetField{fieldDate, fieldTime, fieldFromName, fieldFrom, fieldText} {
		h.column[f] = i
		h.fields = append(h.fields, f)
		h.names = append(h.names, sheetWords[f].name)
	}
	return h
}

// checkMap reports an error in the names of a column map.
func checkMap(mapped map[string]string) error {
	for name := range mapped {
		if !slices.ContainsFunc(sheetWords[1:], func(w struct{ name, words string }) bool { return w.name == name }) {
			return fmt.Errorf("map a column: there is no field %q", name)
		}
	}
	return nil
}
