package llama

import "sync"

// lifetime counts the users of a native object. It can be closed at any time; the object is freed
// after the last user has released it.
type lifetime struct {
	mu     sync.Mutex
	users  int
	closed bool
	free   func() // frees the object; called once, when closed and unused
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

// share adds a further user on behalf of an existing user; it works after close too.
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

// close marks the object as closed: acquire fails from then on.
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
