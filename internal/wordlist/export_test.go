package wordlist

// OpenOn opens a directory of a kind of documents on any disk; Lists is the kind of lists.
var (
	OpenOn = openOn
	Lists  = lists
)
