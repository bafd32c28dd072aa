#!/bin/sh
# Inserts the passwords into the definitions and starts the broker; as a node of a cluster, if RABBITMQ_NODES lists the
# hosts of all.
set -eu
sed -e "s/ADMIN_PASSWORD/$RABBITMQ_ADMIN_PASSWORD/" -e "s/ORDERS_PASSWORD/$RABBITMQ_ORDERS_PASSWORD/" \
    -e "s/ACCOUNTS_PASSWORD/$RABBITMQ_ACCOUNTS_PASSWORD/" -e "s/OPERATIONS_PASSWORD/$RABBITMQ_OPERATIONS_PASSWORD/" \
    /ordersaga/definitions.json > /tmp/definitions.json
chmod 644 /tmp/definitions.json
export RABBITMQ_CONFIG_FILE=/ordersaga/rabbitmq.conf
if [ -n "${RABBITMQ_NODES-}" ]; then
    export RABBITMQ_CONFIG_FILE=/tmp/rabbitmq.conf
    {
        cat /ordersaga/rabbitmq.conf
        echo "cluster_partition_handling = pause_minority"
        echo "cluster_formation.peer_discovery_backend = classic_config"
        number=0
        for node in $RABBITMQ_NODES; do
            number=$((number + 1))
            echo "cluster_formation.classic_config.nodes.$number = rabbit@$node"
        done
    } > "$RABBITMQ_CONFIG_FILE"
    # Nodes accept each other, and the tools in the container, by this secret.
    rm -f /var/lib/rabbitmq/.erlang.cookie
    printf %s "$RABBITMQ_COOKIE_PASSWORD" > /var/lib/rabbitmq/.erlang.cookie
    chmod 400 /var/lib/rabbitmq/.erlang.cookie
fi
export RABBITMQ_ENABLED_PLUGINS_FILE=/ordersaga/enabled_plugins
exec docker-entrypoint.sh rabbitmq-server
