package wordlist

// OpenOn opens a directory of documents of a given kind on any disk. Lists is the kind of
// lists.
var (
	OpenOn = openOn
	Lists  = lists
)
