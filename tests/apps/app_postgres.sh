#!/bin/bash
# PostgreSQL as its own user, in the background, on a named volume.
. "$(dirname "$0")/lib.sh"
image postgres
ok "makes a volume" x volume create pgdata
ok "starts" x run -d --name pg -p 5432 -v pgdata:/var/lib/postgresql postgres || exit 1
ready() { x exec pg psql -qAtc 'select 1' postgres; }
ok "accepts connections" until_ok 60 ready || { x logs pg; exit 1; }
ok "runs as its own user" eq "$(x exec pg id -un)" postgres
ok "the files of the volume are its own" eq "$(x exec pg sh -c 'stat -c "%U:%G %a" /var/lib/postgresql/*/main')" 'postgres:postgres 700'
ok "top lists its processes" has "$(x top pg)" checkpointer

ok "makes a role and a database" x exec pg psql -qc "create role app login password 'secret'" -c 'create database app owner app'
ask() { PGPASSWORD=secret psql -h 127.0.0.1 -p "$(port pg 5432)" -U app -qAt app "$@"; }
ok "answers psql through the port" eq "$(ask -c 'select 6*7')" 42
ok "a wrong password is refused" has "$(PGPASSWORD=no psql -h 127.0.0.1 -p "$(port pg 5432)" -U app app -c 'select 1' 2>&1)" 'password authentication failed'
printf 'create table t (id serial primary key, name text, raw bytea);\n' >schema.sql
ok "takes SQL from standard input" ask -f schema.sql
ok "and a lot of rows" ask -c "insert into t (name, raw) select 'row ' || n || E' \\u00e9\\n', decode(md5(n::text), 'hex') from generate_series(1, 20000) n"
seq 1 5000 | sed 's/$/\tcopied\t\\\\x00ff/' >rows
copy() { x exec -i pg psql -q -c 'copy t from stdin' app; }
sed 's/^/9/' rows | awk -F'\t' -v OFS='\t' '{ $1 = 100000 + NR; print }' >rows.in
ok "copy from stdin through exec -i" bash -c "$(declare -f x copy); copy <rows.in"
ok "all are there" eq "$(ask -c 'select count(*) from t')" 25000

# Byte for byte: what the pipe gives is what the container wrote.
x exec pg bash -o pipefail -c 'pg_dump app | tee /tmp/dump.sql' >dump.sql
ok "a dump through a pipe" eq "$(sha256sum <dump.sql)" "$(x exec pg sha256sum /tmp/dump.sql | sed 's|/tmp/dump.sql|-|')"
x exec pg pg_dump -Fc app >dump.bin
ok "a binary dump is whole" eq "$(x exec -i pg pg_restore -l <dump.bin | grep -c 'TABLE DATA')" 1
x exec pg pg_dump app >dump2.sql
ok "as pg_dump writes it, no byte more" eq "$(sed '/restrict/d' dump2.sql | sha256sum)" "$(x exec pg sh -c 'pg_dump app | sed /restrict/d | sha256sum')"

ok "stops" x stop pg
ok "gracefully" eq "$(x inspect -f '{{.State.Status}} {{.State.ExitCode}}' pg)" 'exited 0'
ok "and says so" has "$(x logs --tail 5 pg 2>&1)" 'database system is shut down'
ok "starts again" x start pg
ok "accepts connections again" until_ok 60 ready
ok "was not restored from a crash" not has "$(x logs --tail 8 pg 2>&1)" 'automatic recovery'
ok "the data is there" eq "$(ask -c 'select count(*) from t')" 25000

# Killed, it recovers; removed, the volume still holds everything.
ok "killed" x kill pg
ok "and waited for" eq "$(x wait pg)" 137
ok "removed" x rm pg
ok "a new container on the same volume" x run -d --name pg2 -p 127.0.0.1::5432 -v pgdata:/var/lib/postgresql postgres
ready() { x exec pg2 psql -qAtc 'select 1' postgres; }
ok "recovers" until_ok 60 ready
ok "the data is there" eq "$(x exec pg2 psql -qAtc 'select count(*), sum(length(raw)) from t' app)" '25000|330000'
ok "restores a dump" bash -c "$(declare -f x); x exec pg2 createdb copy && x exec -i pg2 psql -q -v ON_ERROR_STOP=1 copy <dump.sql"
ok "with all rows" eq "$(x exec pg2 psql -qAtc 'select count(*) from t' copy)" 25000
ok "restart" x restart pg2
ok "accepts connections after it" until_ok 60 ready
ok "removed while it runs" x rm -f pg2
ok "the volume can go" x volume rm pgdata
