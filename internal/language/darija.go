package language

import "strings"

// Moroccan Arabic in Latin letters has no fixed spelling, and uses digits for the letters
// that Latin lacks: 3 for ع, 7 for ح, 9 for ق, 5 for خ. These lists were made by hand
// from its most frequent words, in their usual spellings.

// A kind tells whether a word belongs to Moroccan Arabic.
type kind uint8

const (
	other  kind = iota
	arabic      // an Arabic word in Latin letters that is used in several countries, or also exists in other languages
	darija      // a word of Moroccan Arabic that exists in few other languages
)

var listed = func() map[string]kind {
	words := map[string]kind{}
	for w := range strings.FieldsSeq(arabicWords) {
		words[w] = arabic
	}
	for w := range strings.FieldsSeq(darijaWords) {
		words[w] = darija
	}
	return words
}()

const darijaWords = `
dyal dyali diali dyalek dyalk dialk dyalo dyalha dyalna dyalkom dyalhom dialna
bzaf bzzaf bezaf bezzaf chwiya chwia chwya shwiya
kayn kayen kayna kaynin kaynine makayn makaynch makayench makaynsh makanch
kifach kifash kifech 3lach 3lash 3laach chno chnou shno shnou achno ashno chnahiya chnowa
wach fayn finek fach fo9ach fou9ach fo9ash wa9tach imta chkoun chkon shkoun shkon chhal ch7al sh7al bch7al bchhal
daba dabaa ghadi ghadya ghadyin ghedda ghda lyouma lyoum lbar7 lbare7 lbareh
khoya khouya khti sa7bi s7abi s7ab drari 5oya 5ouya 5ti
mzyan mzian mezyan mezian mzyana zwin zwina labas labass bikhir bi5ir bkhir
bghit bghiti bghina bghaw bghito kanbghi kanbghik kanbghiha mabghitch mabghach mabghach bghitek
kandir kandiro katdir katdiro kaydir kaydiro kangoul kan9ol kan9oul katgoul kaygoul kay9ol ngoul ngolik ngollik golih goulih gololi gollih
9olt 9oltlek 9oltlih 9ollih galli galiya galik
hadchi hadshi hadak hadik hadok ntouma ntoma ntina houma
mochkil mouchkil mouchkila moshkil machi mashi mamchach iwa nmchi nmshi mchit mchiti mchina mchaw mshit mshina nji jiti jaw jiblia njib njibo
flous lflous flouss lflouss fddar fdar lmdina tomobil tomobila tomobile tonobil khdma khedma lkhdma khdam khedam khddam
smiytek smiyto smiytha smiti walo walou wakha wakkha wa5a
7it 7itach 7itash b7al b7alek bhal bhalek b7alhom
kolchi kulchi kolshi kulshi bachch bach
fhamti fhemti fhmti fhamt ma3rftch ma3reftch ma3raftch ma3ndich ma3ndnach ma3endich maymknch mymknch ymken ymkn
khask khassk khassek khassni khasni khasso khassna khessni 5asni 5assni
chouf chof shouf nchouf nchof tchouf choft chefti cheft shaft nshouf
sift siftli nsift nsiftlik nsifet sifet wselt wslti wslat blasa blassa lblasa
rahom rahoum rah7a rani rahna raki rak ra7na
3ndek 3ndi 3ndo 3ndha 3ndna 3ndhom 3ndkom 3afak 3ayt 3ayet 3ayti n3ayt jouj juj tlata
9der n9der n9dr t9der t9dr kan9der y9der n9dro ma9dertch
`

const arabicWords = `
3la 3lik 3lih 3liya 3liha 3lihom 3lina 3ala 3andi 3andek 3ad 3arf 3arft 3raft 3refti 3ziz 3ziza l3ziz
m3a m3ak m3aya m3ah m3aha m3ana m3ahom ma3a ma3lich ma3lish sa3a
wa7ed wa7d w7da wahed wahd wa7da 7ta 7ad l7ad 7sn 7sen a7san 7aja chi7aja 7na
9bel 9bl 9dam 9rib 9lb 9albi 9alb 9ahwa 9hwa 9al 9alli 9alha
ana nta nti huwa howa hiya hna hada hadi had hado hadou fin chi rah raha ila men mn bla yak ewa safi aji ajiw zid sir dir diro weld wld wlad bnat
khir lkhir sbah sba7 lila lyla salam slm salamo 3likom 3alikom l7amdolilah l7amdolillah hamdolilah hamdullah hamdoullah inchallah inshallah nchallah nchalah nchlh tbarkallah wallah wlah wllah yallah yalla
sghir kbir jdid jdida rajel lmra meskin mskin dima lwalid lwalida mama rj3 nrj3 rja3 tl3 tla3 nzel f lila ghir wla walakin walakine
`
