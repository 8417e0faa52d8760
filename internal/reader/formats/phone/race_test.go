//go:build race

package phone

// mutations is how many times TestDatabaseMutations damages each file. Under the race detector
// SQLite takes twenty times as long, and it runs in one goroutine.
const mutations = 20
