package argus

// Receipt is the balanced account of one delivery: what was handed over and
// what became of it.
type Receipt struct {
	Delivery DeliveryNumber `json:"delivery"`
	Opening  Opening        `json:"opening"`
	Counts   Counts         `json:"counts"`
	Files    []FileAccount  `json:"files"`
	// Completeness is what is not among the messages.
	Completeness Completeness `json:"completeness"`
	// Reads is the delivery whose originals this one reads again, 0 for none.
	Reads DeliveryNumber `json:"reads,omitempty"`
	// ReadAgainBy is the newest reading that took the place of this one in every
	// answer. The account and the seal stay those of this one.
	ReadAgainBy DeliveryNumber `json:"read_again_by,omitempty"`
	// Seal is nil while the delivery is open.
	Seal *Seal `json:"seal,omitempty"`
}

// FileAccount is what became of one file of a delivery.
type FileAccount struct {
	Original Original `json:"original"`
	// Readers are those that read it, as name/version: several for an
	// archive, none for a file that no reader recognised.
	Readers []string `json:"readers,omitempty"`
	Counts  Counts   `json:"counts"`
	// Problems counts the quarantined pieces by reason, most frequent first. Reasons that
	// differ in numbers and quoted text alone are one, with … in their place.
	Problems []Reason `json:"problems,omitempty"`
	// Remarks counts the copies of which a reader could not understand a field, or
	// assumed something that the source does not state: "not understood: to
	// (sheet/4)", "assumed: hour (irc/4)". Most frequent first.
	Remarks []Tally `json:"remarks,omitempty"`
}

// Reason is why pieces were quarantined, with how many there are.
type Reason struct {
	Value string `json:"value"`
	// Reader is the one that said so, as name/version, or several with spaces between;
	// empty where no reader recognised a file.
	Reader string `json:"reader,omitempty"`
	Count  uint64 `json:"count"`
}

// Tally is a word with how often it was counted.
type Tally struct {
	Value string `json:"value"`
	// Name is what an account or a conversation is called where it was looked for and
	// is not its id.
	Name  string `json:"name,omitempty"`
	Count uint64 `json:"count"`
}

// NationalNumber is the name of the extra fields that intake adds for the telephone
// numbers in national form in a message's text, where the operator said in which countries
// the case is: "+31612345678 in NL: 06-12345678".
const NationalNumber = "national number"

// OtherReasons stands for the reasons and remarks beyond the most that are told apart.
const OtherReasons = "other reasons"

// Completeness is what the records of a delivery say about what is not among
// them. Each number is a finding to ask the source about, not an error: a
// message may have been deleted, an export may be meant to hold one side. Messages
// and calls are looked at; running numbers are of records of every type.
// (L25)
type Completeness struct {
	// Conversations counts those that are looked at, at most 65,536, and
	// Accounts the accounts that send, as many. BeyondLook counts the messages of
	// other conversations, AccountsBeyond those of other accounts.
	Conversations  uint64 `json:"conversations"`
	Accounts       uint64 `json:"accounts"`
	BeyondLook     uint64 `json:"messages_beyond_look,omitempty"`
	AccountsBeyond uint64 `json:"messages_of_accounts_beyond_look,omitempty"`

	// Named counts the attachments that messages name, Missing those of them
	// whose bytes are not held.
	Named   uint64 `json:"attachments_named"`
	Missing uint64 `json:"attachments_missing"`

	// Series counts the running numbers of services, and Unseen the numbers
	// between the first and the last of each that no message has. A series is one
	// of which more numbers are seen than not: others run through more than was
	// handed over. Numbers run through the whole service if they are a series
	// there and none comes twice, else through conversations, else through what
	// an account sends.
	Series uint64 `json:"number_series"`
	Unseen uint64 `json:"numbers_unseen"`

	// OneSided counts the conversations of two or more messages and calls, with
	// somebody to hear them, in which only one account speaks.
	OneSided uint64 `json:"conversations_one_sided"`

	// Backwards counts the steps from one message to the next of the same
	// conversation in the same file that go against the time order which most
	// steps in the conversation have. What the delivery has already is no step.
	Backwards uint64 `json:"steps_against_time"`

	// Replies counts the answers that messages say they have ([Facts.Replies]) and
	// that are not there.
	Replies uint64 `json:"replies_missing,omitempty"`

	// Unnamed counts the accounts of devices' owners whom the source does not name
	// ([OwnerOf]).
	Unnamed uint64 `json:"owners_unnamed,omitempty"`

	// In are the services, the conversations and then the accounts in which
	// something is missing, those with most of it first, at most 100 of each; More
	// counts the others.
	In   []Gap `json:"in,omitempty"`
	More Gaps  `json:"more,omitzero"`

	// Stated counts the files that say how many records they have, and Differs
	// those in which another number was found. Differing are the first of them.
	Stated    uint64        `json:"files_stating_a_count"`
	Differs   uint64        `json:"files_of_another_count"`
	Differing []StatedCount `json:"differing,omitempty"`
}

// Gap is what is missing in one conversation, of what one account sent, or
// among the numbers of a service.
type Gap struct {
	Service string `json:"service"`
	// Conversation is set for one, Account for one; neither for a service.
	// Longer names than 256 bytes are cut.
	Conversation string `json:"conversation,omitempty"`
	Account      string `json:"account,omitempty"`
	// Name is the title of the conversation or the name of the account, if messages
	// show one; OnlyName is the name of Only.
	Name     string `json:"name,omitempty"`
	OnlyName string `json:"only_name,omitempty"`
	Missing  uint64 `json:"attachments_missing,omitempty"`
	// Unseen of the numbers from First to Last are not seen.
	Unseen uint64 `json:"numbers_unseen,omitempty"`
	First  uint64 `json:"first_number,omitempty"`
	Last   uint64 `json:"last_number,omitempty"`
	// Only is the account that speaks in a conversation of one side. OneSided
	// counts the conversations in which an account is that.
	Only      string `json:"only,omitempty"`
	OneSided  uint64 `json:"conversations_one_sided,omitempty"`
	Backwards uint64 `json:"steps_against_time,omitempty"`
	Replies   uint64 `json:"replies_missing,omitempty"`
}

// Gaps counts conversations and accounts with something missing.
type Gaps struct {
	Conversations uint64 `json:"conversations,omitempty"`
	Accounts      uint64 `json:"accounts,omitempty"`
}

// StatedCount is how many records a source says that it has.
type StatedCount struct {
	// File is its path in the delivery, with the path in it if it is an archive.
	File string `json:"file"`
	// What is the source's own word for it: "count of smses".
	What string `json:"what"`
	// Stated is what it says, Found what was read: messages and quarantined
	// pieces.
	Stated uint64 `json:"stated"`
	Found  uint64 `json:"found"`
}
