#!/bin/sh
# Makes the cluster on the first start, runs what lies in /docker-entrypoint-initdb.d, then becomes the server.
set -eu

# A first start is made in here. What an earlier one left that was killed is thrown away, unless only its files were
# still to be moved.
new="$PGDATA/.first-start"

make_cluster() {
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "POSTGRES_PASSWORD must be set for the first start: it becomes the password of the user postgres" >&2
        exit 1
    fi
    password=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$password"
    initdb --pgdata "$new" --username postgres --pwfile "$password" --encoding UTF8 \
        --auth-local peer --auth-host scram-sha-256 > /dev/null
    rm "$password"
    echo "listen_addresses = '*'" >> "$new/postgresql.conf"
    echo "host all all all scram-sha-256" >> "$new/pg_hba.conf"
    pg_ctl --pgdata "$new" --wait --log /dev/stderr --options "-c listen_addresses=''" start > /dev/null
    createdb --username postgres pipedrive
    for file in /docker-entrypoint-initdb.d/*.sql; do
        if [ -e "$file" ]; then
            echo "running $file"
            psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname pipedrive --file "$file"
        fi
    done
    pg_ctl --pgdata "$new" --wait stop > /dev/null
    chmod 0700 "$PGDATA"
    mv "$new/PG_VERSION" "$new/.version" # says that it is done
}

if [ "$1" = make-cluster ]; then
    make_cluster
    exit
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ ! -e "$new/.version" ]; then
        rm -rf "$new"
        if [ -n "$(ls -A "$PGDATA" 2> /dev/null)" ]; then
            echo "$PGDATA has files, but no cluster: nothing was touched; mount an empty volume or folder there" >&2
            exit 1
        fi
        # In a shell of its own, so that any failure ends it.
        if ! sh "$0" make-cluster; then
            pg_ctl --pgdata "$new" --mode immediate stop > /dev/null 2>&1 || true
            rm -rf "$new"
            exit 1
        fi
    fi
    # The file that says that there is a cluster comes last.
    for file in "$new"/*; do
        [ ! -e "$file" ] || mv "$file" "$PGDATA"
    done
    mv "$new/.version" "$PGDATA/PG_VERSION"
    rmdir "$new"
fi
unset POSTGRES_PASSWORD
exec "$@"
