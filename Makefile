# make demo: builds Sealgate and shows the whole story on this machine; needs Go alone.
# make test: runs everything, real servers and clients included; installs what it needs.
.PHONY: build demo test check race fuzz bench lint clients judges clean
export CGO_ENABLED ?= 0
GO   ?= go
LINT := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZ ?= 20s

# grpcnotrace: without it gRPC links html/template, and that every exported method of the program.
build:
	$(GO) build -trimpath -tags grpcnotrace -ldflags '-s -w' -o bin/ ./cmd/...

demo: build
	bin/sealgate demo

test: build
	$(GO) test -timeout 20m ./...

# Formatting, vet, lint and the floors: a minute, no server, no network once golangci-lint is built.
check: lint
	$(GO) vet ./... && $(GO) test -run 'TestFloors|TestLayout|TestStyle' ./testenv

lint:
	$(LINT) run

# First every package by itself, then the program, built with the detector, under attack.
race: export CGO_ENABLED = 1
race:
	$(GO) test -race -short -timeout 20m ./...
	$(GO) test -race -timeout 20m ./testenv/gate ./testenv/attack

fuzz:
	$(GO) run ./testenv/fuzz $(FUZZ)

bench:
	$(GO) test -run '^$$' -bench All -benchtime 1x -timeout 30m ./testenv/bench

# The test suites of others, against bare servers and through the gateway: some ten minutes.
judges:
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./testenv/judges

# Every unmodified client, the heavy ones too, and the table of gateway/s3api/S3.md.
clients: build
	$(GO) test -count 1 -timeout 60m ./testenv/clients -full

clean:
	rm -rf bin tour testenv/bench/out
