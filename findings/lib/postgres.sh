# Sourced by the findings after dotnet.sh: starts a private PostgreSQL 15 on 127.0.0.1, at $port, for the user finding.

bin=/usr/lib/postgresql/15/bin
port=$((25000 + $$ % 10000))
user=$(id -un)
as_user() { "$@"; }
if [ "$user" = root ]; then
    user=postgres
    chmod 755 "$folder"
    as_user() { runuser -u postgres -- "$@"; }
fi
install -d -o "$user" "$folder/data"
as_user "$bin/initdb" -D "$folder/data" -U finding --auth=trust > /dev/null
as_user "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/data/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=" start > /dev/null
stop() { as_user "$bin/pg_ctl" -D "$folder/data" -m fast stop > /dev/null; }
