//go:build !unix

package handover

import "syscall"

func otherUser(uint32) *syscall.SysProcAttr { return nil }
