// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"strconv"
	"testing"
	"time"
)

func TestAnswersAreKeptOnce(t *testing.T) {
	t.Parallel()
	var a answers
	now := time.Now()
	o := once{actor: "local:uid/ana", path: "/v1/keks/local:rotate", key: "k"}
	if _, repeated, err := a.begin(o, nil, now); repeated || err != nil {
		t.Fatalf("first: repeated %t, %v", repeated, err)
	}
	if _, _, err := a.begin(o, nil, now); err == nil {
		t.Error("a second one while the first runs: claimed as well")
	}
	a.end(o, "done", nil)
	if got, repeated, err := a.begin(o, nil, now.Add(23*time.Hour)); got != "done" || !repeated || err != nil {
		t.Errorf("repeated: got %v, %t, %v", got, repeated, err)
	}
	if _, _, err := a.begin(o, []byte("other"), now); err == nil {
		t.Error("the same key with another body was taken")
	}
	other := o
	other.actor = "local:uid/eve"
	if _, repeated, _ := a.begin(other, nil, now); repeated {
		t.Error("another caller got the answer")
	}
	if _, repeated, _ := a.begin(o, nil, now.Add(25*time.Hour)); repeated {
		t.Error("an answer was kept for more than a day")
	}
}

func TestFailedActsCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	var a answers
	o := once{key: "k"}
	_, _, _ = a.begin(o, nil, time.Now()) // claims it
	a.end(o, nil, errors.New("no"))
	if _, repeated, err := a.begin(o, nil, time.Now()); repeated || err != nil {
		t.Errorf("after a failure: repeated %t, %v; want another try", repeated, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var a answers
	now := time.Now()
	for i := range maxIdempotent + 10 {
		o := once{key: strconv.Itoa(i)}
		if _, _, err := a.begin(o, nil, now.Add(time.Duration(i))); err != nil {
			t.Fatal(err)
		}
		a.end(o, i, nil)
	}
	if len(a.kept) > maxIdempotent {
		t.Errorf("%d answers are kept, want at most %d", len(a.kept), maxIdempotent)
	}
	if _, repeated, _ := a.begin(once{key: "0"}, nil, now); repeated {
		t.Error("the oldest answer was kept")
	}
}
