package argus

// Receipt is the balanced account of one delivery: the files handed over and the
// result for each.
type Receipt struct {
	Delivery DeliveryNumber `json:"delivery"`
	Opening  Opening        `json:"opening"`
	Counts   Counts         `json:"counts"`
	Files    []FileAccount  `json:"files"`
	// Completeness lists the signs of missing messages.
	Completeness Completeness `json:"completeness"`
	// Reads is the delivery whose originals this one reads again, or 0 if there is none.
	Reads DeliveryNumber `json:"reads,omitempty"`
	// ReadAgainBy is the newest reading that replaces this one in every answer. The
	// account and the seal remain those of this delivery.
	ReadAgainBy DeliveryNumber `json:"read_again_by,omitempty"`
	// Seal is nil while the delivery is open.
	Seal *Seal `json:"seal,omitempty"`
}

// FileAccount is the account of one file of a delivery.
type FileAccount struct {
	Original Original `json:"original"`
	// Readers are the readers of the file, as name/version: several for an
	// archive, none if no reader recognised it.
	Readers []string `json:"readers,omitempty"`
	Counts  Counts   `json:"counts"`
	// Problems counts the quarantined pieces by reason, most frequent first. Reasons that
	// differ only in numbers and quoted text are counted as one, with … in their place.
	Problems []Reason `json:"problems,omitempty"`
	// Remarks counts the copies with a field that a reader could not understand or a
	// value that it assumed: "not understood: to (sheet/4)", "assumed: hour (irc/4)".
	// Most frequent first.
	Remarks []Tally `json:"remarks,omitempty"`
}

// Reason is a reason for quarantine and the number of pieces.
type Reason struct {
	Value string `json:"value"`
	// Reader is the reader that gave the reason, as name/version, or several separated
	// by spaces; empty if no reader recognised the file.
	Reader string `json:"reader,omitempty"`
	Count  uint64 `json:"count"`
}

// Tally is a word and its count.
type Tally struct {
	Value string `json:"value"`
	// Name is the title of the account or conversation, if it was looked up and is
	// not its id.
	Name  string `json:"name,omitempty"`
	Count uint64 `json:"count"`
}

// NationalNumber is the name of the Extra fields that intake adds for telephone
// numbers written in national form, once the operator has named the countries of the
// case: "+31612345678 in NL: 06-12345678".
const NationalNumber = "national number"

// OtherReasons collects the reasons and remarks beyond the limit.
const OtherReasons = "other reasons"

// Completeness lists the signs that messages are missing from a delivery. Each number
// is a finding to ask the source about, not an error: a message may have been
// deleted, an export may be meant to hold only one side. It covers messages and calls;
// running numbers cover records of every type. (L25)
type Completeness struct {
	// Conversations and Accounts count the conversations and the sending accounts that were
	// examined, at most 65,536 of each. BeyondLook counts the messages of the remaining
	// conversations, AccountsBeyond those of the remaining accounts.
	Conversations  uint64 `json:"conversations"`
	Accounts       uint64 `json:"accounts"`
	BeyondLook     uint64 `json:"messages_beyond_look,omitempty"`
	AccountsBeyond uint64 `json:"messages_of_accounts_beyond_look,omitempty"`

	// Named counts the attachments that messages name, Missing those whose bytes
	// are not held.
	Named   uint64 `json:"attachments_named"`
	Missing uint64 `json:"attachments_missing"`

	// Series counts the runs of a service's numbers, and Unseen the numbers between
	// the first and last of each run that no message has. A run is a series if more
	// than half of its numbers are seen: other numbers count more than was handed
	// over. Numbers belong to the whole service if they are a series there without
	// duplicates; otherwise to a conversation; otherwise to a sending account.
	Series uint64 `json:"number_series"`
	Unseen uint64 `json:"numbers_unseen"`

	// OneSided counts the conversations with two or more messages and calls, and at least one
	// receiver, in which only one account speaks.
	OneSided uint64 `json:"conversations_one_sided"`

	// Backwards counts the steps between consecutive messages of one conversation in
	// one file that run against the order of most of its steps. Messages already in the
	// delivery are not counted.
	Backwards uint64 `json:"steps_against_time"`

	// Replies counts the answers that messages claim to have ([Facts.Replies]) and
	// that are missing.
	Replies uint64 `json:"replies_missing,omitempty"`

	// Unnamed counts the accounts of device owners whom the source does not name
	// ([OwnerOf]).
	Unnamed uint64 `json:"owners_unnamed,omitempty"`

	// In lists the services, then conversations, then accounts with something
	// missing, the worst first, at most 100 of each; More counts the rest.
	In   []Gap `json:"in,omitempty"`
	More Gaps  `json:"more,omitzero"`

	// Stated counts the files that state their number of records, and Differs those
	// that contain another number. Differing lists the first of these.
	Stated    uint64        `json:"files_stating_a_count"`
	Differs   uint64        `json:"files_of_another_count"`
	Differing []StatedCount `json:"differing,omitempty"`
}

// Gap describes missing messages of one conversation, account or service.
type Gap struct {
	Service string `json:"service"`
	// Conversation or Account is set, or neither if the gap is in a service. Names longer
	// than 256 bytes are truncated.
	Conversation string `json:"conversation,omitempty"`
	Account      string `json:"account,omitempty"`
	// Name is the title of the conversation or the name of the account, if messages
	// show one; OnlyName is the name of Only.
	Name     string `json:"name,omitempty"`
	OnlyName string `json:"only_name,omitempty"`
	Missing  uint64 `json:"attachments_missing,omitempty"`
	// Unseen is how many numbers from First to Last are not seen.
	Unseen uint64 `json:"numbers_unseen,omitempty"`
	First  uint64 `json:"first_number,omitempty"`
	Last   uint64 `json:"last_number,omitempty"`
	// Only is the account that speaks in a one-sided conversation. OneSided counts the
	// one-sided conversations of an account.
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

// StatedCount is the number of records that a source claims to have.
type StatedCount struct {
	// File is the path in the delivery, including the path inside an archive.
	File string `json:"file"`
	// What is the source's own word for it: "count of smses".
	What string `json:"what"`
	// Stated is the source's number, Found the number of messages and quarantined
	// pieces read.
	Stated uint64 `json:"stated"`
	Found  uint64 `json:"found"`
}
