//go:build !race

package phone

const mutations = 150
