package embedded

import (
	"container/list"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// A cache keeps sets of documents that are asked for again, within a number of
// bytes; the one not used for longest goes first. Nobody changes what is in it.
type cache struct {
	mu      sync.Mutex
	free    int
	entries map[cacheKey]*list.Element
	recent  list.List // of *cacheEntry, last used first
}

// cacheKey names a set: what it is of which segment.
type cacheKey struct{ segment, what string }

type cacheEntry struct {
	key  cacheKey
	docs *roaring.Bitmap
	size int
}

func newCache(size int) *cache {
	return &cache{free: size, entries: map[cacheKey]*list.Element{}}
}

// get returns the set, computing it if it is not there.
func (c *cache) get(key cacheKey, compute func() (*roaring.Bitmap, error)) (*roaring.Bitmap, error) {
	c.mu.Lock()
	if e := c.entries[key]; e != nil {
		c.recent.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(*cacheEntry).docs, nil
	}
	c.mu.Unlock()
	docs, err := compute()
	if err != nil {
		return nil, err
	}
	// What lies in a mapped file must not outlive the mapping.
	docs = docs.Clone()
	size := int(docs.GetSizeInBytes()) + len(key.segment) + len(key.what) + 256
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key] != nil {
		return docs, nil
	}
	c.entries[key] = c.recent.PushFront(&cacheEntry{key, docs, size})
	c.free -= size
	for c.free < 0 {
		oldest := c.recent.Remove(c.recent.Back()).(*cacheEntry)
		delete(c.entries, oldest.key)
		c.free += oldest.size
	}
	return docs, nil
}
