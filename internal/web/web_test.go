package web

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestNothingInline checks that the sources contain no inline code, which the page's
// security policy forbids, and nothing that turns evidence into markup.
func TestNothingInline(t *testing.T) {
	index, err := fs.ReadFile(Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`<script[^>]*>[^<]|<style|style=|\son\w+=`).Find(index); found != nil {
		t.Errorf("index.html has %q inline", found)
	}
	for _, name := range regexp.MustCompile(`(?:src|href)="/([^"]+)"`).FindAllSubmatch(index, -1) {
		if _, err := fs.Stat(Files(), string(name[1])); err != nil {
			t.Errorf("index.html names a missing file: %v", err)
		}
	}
	err = fs.WalkDir(os.DirFS("src"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile("src/" + name)
		for _, bad := range []string{"{@html", "innerHTML", "style=\"", "https://", "eval("} {
			if strings.Contains(string(text), bad) {
				t.Errorf("src/%s has %s", name, bad)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBuiltFiles checks that the built files contain no path of the machine and no
// address of another site. Svelte's messages name Svelte's own site, but nothing opens
// it.
func TestBuiltFiles(t *testing.T) {
	urls := regexp.MustCompile(`https?://[^"'` + "`" + `)\s\\]+`)
	paths := regexp.MustCompile(`/(?:home|root|work|tmp|Users)/|node_modules|sourceMappingURL`)
	err := fs.WalkDir(Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(Files(), name)
		for _, url := range urls.FindAllString(string(text), -1) {
			if !strings.HasPrefix(url, "http://www.w3.org/") && !strings.HasPrefix(url, "https://svelte.dev/e/") {
				t.Errorf("%s names %s", name, url)
			}
		}
		if found := paths.Find(text); found != nil {
			t.Errorf("%s names %q", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
