package embedded

import (
	"container/list"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// A cache keeps sets of documents and views for reuse, up to a number of bytes; the least
// recently used is dropped first. Its values must not be changed.
type cache struct {
	mu      sync.Mutex
	free    int
	entries map[cacheKey]*list.Element
	recent  list.List // of *cacheEntry, last used first
}

// cacheKey identifies a set by its segment and its content.
type cacheKey struct{ segment, what string }

type cacheEntry struct {
	key   cacheKey
	value any
	size  int
}

func newCache(size int) *cache {
	return &cache{free: size, entries: map[cacheKey]*list.Element{}}
}

// get returns a set, computing it if it is not cached.
func (c *cache) get(key cacheKey, compute func() (*roaring.Bitmap, error)) (*roaring.Bitmap, error) {
	return cached(c, key, func() (*roaring.Bitmap, int, error) {
		docs, err := compute()
		if err != nil {
			return nil, 0, err
		}
		// A cached set may outlive the mapping of its file.
		docs = docs.Clone()
		return docs, int(docs.GetSizeInBytes()), nil
	})
}

// cached returns a value, computing it and its size if it is not cached.
func cached[T any](c *cache, key cacheKey, compute func() (T, int, error)) (T, error) {
	c.mu.Lock()
	if e := c.entries[key]; e != nil {
		c.recent.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(*cacheEntry).value.(T), nil
	}
	c.mu.Unlock()
	value, size, err := compute()
	if err != nil {
		return value, err
	}
	size += len(key.segment) + len(key.what) + 256
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key] != nil {
		return value, nil
	}
	c.entries[key] = c.recent.PushFront(&cacheEntry{key, value, size})
	c.free -= size
	for c.free < 0 {
		oldest := c.recent.Remove(c.recent.Back()).(*cacheEntry)
		delete(c.entries, oldest.key)
		c.free += oldest.size
	}
	return value, nil
}
