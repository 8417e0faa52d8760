//go:build !race

package reader

const mutations = 150
