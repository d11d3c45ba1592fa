# make        bin/dhow: static, stripped, reproducible
# make test   every test, from a bare checkout
# make demo   a Dockerfile built and run as you, from a bare checkout
# make lint   what .ci/run checks besides
GO      ?= go
PREFIX  ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

# netgo, osusergo: glibc must not ask NSS in a static program. containers_image_openpgp: gpgme does
# not link statically. exclude_*, runc_nocriu, sqlite_*, urfave_*: what is never used. dfrundevice:
# RUN --device is read, to be refused by name.
TAGS    := netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_zfs exclude_disk_quota sqlite_omit_load_extension urfave_cli_no_docs runc_nocriu dfrundevice
STAMP   := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# --build-id=none and -buildid=: neither linker stamps what differs between two folders.
LDFLAGS := -s -w -buildid= -linkmode external -extldflags "-static -Wl,--build-id=none" $(STAMP)

export CGO_ENABLED = 1

.PHONY: all tools test demo lint install clean
all: bin/dhow

.PHONY: bin/dhow
bin/dhow: tools
	$(GO) build -trimpath -buildvcs=false -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o $@ .

# The base image of the tests and the demo, from Go modules.
.PHONY: bin/userland bin/mkbase
bin/userland bin/mkbase:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w' -o $@ ./tests/fixture/$(@F)

tools:
	@sh tests/tools.sh

test: bin/dhow bin/userland
	$(GO) test -tags '$(TAGS)' -timeout 25m ./...

demo: bin/dhow bin/userland bin/mkbase
	sh tests/demo.sh

lint:
	.ci/run lint

install: bin/dhow
	./install.sh --prefix '$(PREFIX)' --binary bin/dhow

clean:
	rm -rf bin dist .cache
