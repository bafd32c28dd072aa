# Sourced by the findings with RabbitMQ: a private broker on 127.0.0.1; its address is $amqp.

export HOME=$folder RABBITMQ_NODENAME=finding-$$@localhost RABBITMQ_CONF_ENV_FILE=/dev/null
export ERL_EPMD_PORT=$((20000 + $$ % 10000)) ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODE_PORT=$((30000 + $$ % 10000)) RABBITMQ_DIST_PORT=$((40000 + $$ % 10000))
export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_MNESIA_BASE=$folder/data RABBITMQ_LOG_BASE=$folder/log
export RABBITMQ_PID_FILE=$folder/pid RABBITMQ_ENABLED_PLUGINS_FILE=$folder/plugins
sbin=/usr/lib/rabbitmq/bin
amqp=amqp://guest:guest@127.0.0.1:$RABBITMQ_NODE_PORT

version=$(dpkg-query -W -f '${Version}' rabbitmq-server)
echo "rabbitmq-server $version"
case $version in 3.10.*) ;; *) echo "this was seen with 3.10" >&2; exit 1 ;; esac

echo '[].' > "$folder/plugins"
mkdir -p "$folder/data" "$folder/log"
(umask 077; echo finding$$ > "$folder/.erlang.cookie")
"$sbin/rabbitmq-server" > "$folder/log/start" 2>&1 &
broker=$!
stop() {
    timeout 30 "$sbin/rabbitmqctl" stop > /dev/null 2>&1 || kill "$broker" || true
    wait "$broker" || true
    epmd -port "$ERL_EPMD_PORT" -kill > /dev/null 2>&1 || true
}
for _ in $(seq 20); do
    timeout 60 "$sbin/rabbitmqctl" await_startup --timeout 60 > /dev/null 2>&1 && break
    sleep 1
done
