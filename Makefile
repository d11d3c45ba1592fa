# make        bin/dhow: static, stripped, reproducible
# make test   every test, from a bare checkout
# make demo   a Dockerfile built and run as you, from a bare checkout
# make apps   PostgreSQL, less, nginx … from Debian's packages, used as each kind of user (slow; a mirror)
# make fuzz   every fuzz target, three minutes each (FUZZTIME=10s, FUZZ=regexp)
# make vm-test   limits, pause and stats in a virtual machine, which has the control groups for them
# make bench  the promises about speed, beside podman, buildah, crun and runc (LINES=run,exec some, QUICK=1 a try); see tests/bench
# make torture   kills, power cuts, full disks and crowds, at length (ONLY=kill,power,full,crowd POINTS= SEED=); see tests/torture
# make lint   what .ci/run checks besides the tests
GO      ?= go
PREFIX  ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

# netgo, osusergo: glibc must not ask NSS in a static program. containers_image_openpgp: gpgme does
# not link statically. exclude_*, runc_nocriu, sqlite_*, urfave_*: what is never used. dfrundevice:
# RUN --device is read, to be refused by name.
TAGS    := netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_zfs exclude_disk_quota sqlite_omit_load_extension urfave_cli_no_docs runc_nocriu dfrundevice
STAMP   := github.com/dhow-containers/dhow/commands
# No build ids: they differ between two folders. dlopen: see main.go; mmap: see heap.go. godebugDefault: no
# profile of memory while the program starts, see storage/registry's flood.go.
LDFLAGS := -s -w -buildid= -linkmode external -extldflags "-static -Wl,--build-id=none -Wl,--wrap=dlopen -Wl,--wrap=mmap" -X runtime.godebugDefault=memprofilerate=0 -X $(STAMP).Version=$(VERSION) -X $(STAMP).Commit=$(COMMIT)

export CGO_ENABLED = 1
# Everywhere, so that the binary, its tests and what else is built share what was compiled.
export GOFLAGS := -trimpath $(GOFLAGS)

.PHONY: all tools userland test fuzz torture bench vm-test demo apps lint install clean bin/dhow
all: bin/dhow

bin/dhow: tools
	$(GO) build -buildvcs=false -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o $@ .

# The base image of the tests and the demo: a static multi-call binary, and what packs it.
userland:
	CGO_ENABLED=0 $(GO) build -buildvcs=false -ldflags '-s -w' -o bin/userland ./tests/fixture/userland
	$(GO) build -tags '$(TAGS)' -o bin/mkbase ./tests/fixture/mkbase

test: bin/dhow userland
	$(GO) test -json -tags '$(TAGS)' -timeout 50m ./... | $(GO) run ./tests/report

bench: bin/dhow userland
	@$(GO) build -tags '$(TAGS)' -o bin/bench ./tests/bench
	@DHOW_BENCH_OUT=$${DHOW_BENCH_OUT:-docs} bin/bench

# As root it tries every kind of user and installs what makes filesystems; a user kills commands only.
torture: bin/dhow userland
	@if [ "$$(id -u)" = 0 ] && ! { command -v mkfs.xfs && command -v mkfs.btrfs && command -v newuidmap; } >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends xfsprogs btrfs-progs e2fsprogs uidmap; fi
	@$(GO) build -tags '$(TAGS)' -o bin/torture ./tests/torture
	@bin/torture

fuzz:
	tests/fuzz.sh

vm-test: bin/dhow
	sh tests/vm/run.sh

demo: bin/dhow userland
	sh tests/demo.sh

apps: bin/dhow
	tests/apps/run.sh

lint: tools
	.ci/run lint

install: bin/dhow
	./install.sh --prefix '$(PREFIX)' --binary bin/dhow

clean:
	rm -rf bin dist .cache

# The C side: a compiler, the headers and the static library of libseccomp, and how they are found.
NEED = gcc libc6-dev libseccomp-dev pkg-config
HAVE = command -v $(firstword $(CC)) && command -v pkg-config && pkg-config --exists libseccomp
tools:
	@{ $(HAVE); } >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(NEED); \
	  else echo 'make: a C compiler or the headers of libseccomp are missing; install them with:' >&2; \
	       echo '  sudo apt-get install -y --no-install-recommends $(NEED)' >&2; exit 1; fi; }
