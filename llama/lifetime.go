package llama

import "sync"

// lifetime counts the users of a native object, so that it can be closed at any
// moment and is freed when the last user has left.
type lifetime struct {
	mu     sync.Mutex
	users  int
	closed bool
	free   func() // called once, when closed and unused
}

// acquire adds a user, or returns ErrClosed.
func (l *lifetime) acquire() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.users++
	return nil
}

// share adds a user for one who is a user already, and so may when it is closed.
func (l *lifetime) share() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
}

// release removes a user.
func (l *lifetime) release() {
	l.mu.Lock()
	l.users--
	free := l.takeFree()
	l.mu.Unlock()
	if free != nil {
		free()
	}
}

// close lets no further user in.
func (l *lifetime) close() {
	l.mu.Lock()
	l.closed = true
	free := l.takeFree()
	l.mu.Unlock()
	if free != nil {
		free()
	}
}

func (l *lifetime) takeFree() func() {
	if !l.closed || l.users > 0 {
		return nil
	}
	free := l.free
	l.free = nil
	return free
}
