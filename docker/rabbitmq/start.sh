#!/bin/sh
# Inserts the passwords into the definitions and starts the broker.
set -eu
sed -e "s/ADMIN_PASSWORD/$RABBITMQ_ADMIN_PASSWORD/" -e "s/ORDERS_PASSWORD/$RABBITMQ_ORDERS_PASSWORD/" \
    -e "s/ACCOUNTS_PASSWORD/$RABBITMQ_ACCOUNTS_PASSWORD/" -e "s/OPERATIONS_PASSWORD/$RABBITMQ_OPERATIONS_PASSWORD/" \
    /ordersaga/definitions.json > /tmp/definitions.json
chmod 644 /tmp/definitions.json
export RABBITMQ_CONFIG_FILE=/ordersaga/rabbitmq.conf
export RABBITMQ_ENABLED_PLUGINS_FILE=/ordersaga/enabled_plugins
exec docker-entrypoint.sh rabbitmq-server
