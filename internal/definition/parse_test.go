package definition

const example = `# yaml-language-server: $schema=mutexes.schema.json
version: 1
package: locks                  # else $GOPACKAGE, else the folder's name

defaults:                       # any field of a mutex but name, doc and key
  expiration: 30s

mutexes:
  - name: NightlyReport         # the Go type's and field's name: exported identifier
    doc: makes sure that one replica at a time builds the report.
    url: ${REDIS_URL:-redis://localhost:6379}
    key: report:nightly
    expiration: 10m

  - name: AccountTransfer       # typed key parameters
    servers: ["${REDIS_A}", "${REDIS_B}", "${REDIS_C}"]
    key: account:{account_id:int64}:transfer
    expiration: 10s
    wait: 5s

  - name: Inventory             # groups of servers; the key picks the group
    cluster:
      - ["redis://a1", "redis://a2", "redis://a3"]
      - ["redis://b1", "redis://b2", "redis://b3"]
    key: sku:{sku:string}
`
