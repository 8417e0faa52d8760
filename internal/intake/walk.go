package intake

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// foundFile is a file of a delivery, before it is kept.
type foundFile struct {
	// path is relative to the delivery, with forward slashes and as UTF-8; a file that
	// was handed over alone has its own name.
	path     string
	place    string // on this machine
	size     int64
	modified int64 // Unix microseconds
	problem  string
}

// walk lists the files of a delivery in the order of their names. Links are not
// followed: they could lead out of the delivery. store is the folder of the target
// store, which is not part of any delivery.
func walk(root, store string) ([]foundFile, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	own, _ := os.Stat(store)
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("it is neither a file nor a folder")
		}
		return []foundFile{{path: label(filepath.Base(root)), place: root, size: info.Size(), modified: info.ModTime().UnixMicro()}}, nil
	}
	// The folder itself may be a link: the operator chose it.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	var files []foundFile
	err = filepath.WalkDir(root, func(place string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && !isFolder(e, own) {
			return nil
		}
		rel, relErr := filepath.Rel(root, place)
		if relErr != nil {
			return relErr
		}
		f := foundFile{path: label(filepath.ToSlash(rel)), place: place}
		switch {
		case err == nil && e.IsDir():
			f.problem = "it is the folder of this store, which is not part of the delivery"
			files = append(files, f)
			return fs.SkipDir
		case err != nil:
			f.problem = fmt.Sprintf("it cannot be opened: %v", err)
		case e.Type()&fs.ModeSymlink != 0:
			f.problem = "it is a link, and links are not followed"
		case !e.Type().IsRegular():
			f.problem = "it is neither a file nor a folder"
		default:
			info, err := e.Info()
			if err != nil {
				f.problem = fmt.Sprintf("it cannot be opened: %v", err)
				break
			}
			f.size, f.modified = info.Size(), info.ModTime().UnixMicro()
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// isFolder reports whether an entry is the folder that own describes; own is nil if there is no
// such folder.
func isFolder(e fs.DirEntry, own fs.FileInfo) bool {
	info, err := e.Info()
	return own != nil && err == nil && os.SameFile(info, own)
}

func label(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
