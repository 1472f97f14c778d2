// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/config"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// failed wants a reload that fails, says why, and leaves no doubt about the
// files.
func failed(t *testing.T, err error, why string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) || !strings.HasPrefix(err.Error(), "the files are there, the reload failed: ") {
		t.Errorf("got %v, want %s", err, why)
	}
}

func TestReloadSignal(t *testing.T) {
	t.Parallel()
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(got) })
	own := file(t, " "+strconv.Itoa(os.Getpid())+"\n")
	for name, want := range map[string]os.Signal{"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "HUP": syscall.SIGHUP} {
		if err := reloadNow(t.Context(), config.Reload{Signal: config.ReloadSignal{PIDFile: own, Name: name}}); err != nil {
			t.Fatal(err)
		}
		select {
		case sig := <-got:
			if sig != want {
				t.Errorf("%s: got %v", name, sig)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s did not arrive", name)
		}
	}
	to := func(file string) error {
		return reloadNow(t.Context(), config.Reload{Signal: config.ReloadSignal{PIDFile: file, Name: "TERM"}})
	}
	failed(t, to(file(t, "")), "holds no process id")
	failed(t, to(file(t, "nginx")), "holds no process id")
	failed(t, to(file(t, "12 13")), "holds no process id")
	failed(t, to("/none/pid"), "no such file")
	gone := exec.Command("true") //nolint:noctx // ends by itself
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	failed(t, to(file(t, strconv.Itoa(gone.Process.Pid))), "no such process")
}

// A file that another service wrote does not lead to a whole group of
// processes.
func TestReloadSignalIsForOneProcess(t *testing.T) {
	t.Parallel()
	group := exec.Command("sleep", "300") //nolint:noctx // killed below
	group.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := group.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = group.Process.Kill() // gone already is as good
		_ = group.Wait()
	})
	r := config.ReloadSignal{PIDFile: file(t, "-"+strconv.Itoa(group.Process.Pid)), Name: "TERM"}
	failed(t, reloadNow(t.Context(), config.Reload{Signal: r}), "holds no process id")
}

func TestReloadExec(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	odd := filepath.Join(dir, "a b; touch "+"c") // one word, whatever a shell would make of it
	if err := reloadNow(t.Context(), config.Reload{Exec: []string{"touch", odd}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(odd); err != nil {
		t.Error(err)
	}
	failed(t, reloadNow(t.Context(), config.Reload{Exec: []string{"sh", "-c", "echo so many; echo words >&2; exit 3"}}), "exit status 3: so many\nwords")
	failed(t, reloadNow(t.Context(), config.Reload{Exec: []string{"./no-such-program"}}), "no such file")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	failed(t, reloadNow(ctx, config.Reload{Exec: []string{"sleep", "300"}}), "sleep: ")
}

func TestReloadHTTP(t *testing.T) {
	t.Parallel()
	var asked, followed atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || len(body) != 0 {
			t.Errorf("%s with %d bytes, want POST without a body", r.Method, len(body))
		}
		switch r.URL.Path {
		case "/reload":
			asked.Add(1)
		case "/elsewhere":
			http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
		case "/followed":
			followed.Add(1)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	// By this name of the machine itself a client that reads proxy variables asks
	// the proxy.
	at := strings.Replace(s.URL, "127.0.0.1", "0.0.0.0", 1)
	if err := reloadNow(t.Context(), config.Reload{HTTP: at + "/reload"}); err != nil || asked.Load() != 1 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
	failed(t, reloadNow(t.Context(), config.Reload{HTTP: at + "/busy"}), "it answered 503")
	failed(t, reloadNow(t.Context(), config.Reload{HTTP: at + "/elsewhere"}), "it answered 307")
	if followed.Load() != 0 {
		t.Error("a redirect was followed")
	}
	s.Close()
	failed(t, reloadNow(t.Context(), config.Reload{HTTP: at + "/reload"}), "POST to the reload address: connection re") // refused or reset
}

func TestNoReload(t *testing.T) {
	t.Parallel()
	if err := reloadNow(t.Context(), config.Reload{Signal: config.ReloadSignal{Name: "HUP"}}); err != nil {
		t.Error(err)
	}
}
