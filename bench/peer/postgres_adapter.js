// Where oidc-provider keeps its artefacts in PostgreSQL: one row each, every statement prepared, every write committed
// before it is answered. A token's row and its audit row go in one statement: one round trip, one commit.
import pg from 'pg';

const SCHEMA = `
  create table if not exists artefact (
    model text not null, id text not null, payload json not null, grant_id text, uid text, user_code text,
    expires_at timestamptz, consumed_at bigint, primary key (model, id));
  create index if not exists artefact_grant on artefact (grant_id) where grant_id is not null;
  create index if not exists artefact_uid on artefact (uid) where uid is not null;
  create index if not exists artefact_user_code on artefact (user_code) where user_code is not null;
  create table if not exists audit (
    seq bigint generated always as identity primary key, at timestamptz not null default now(),
    event text not null, token text not null, client text, subject text)`;

const KEEP = `
  insert into artefact (model, id, payload, grant_id, uid, user_code, expires_at)
  values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
  on conflict (model, id) do update set payload = excluded.payload, expires_at = excluded.expires_at`;
const KEEP_AND_AUDIT = `with kept as (${KEEP}) insert into audit (event, token, client, subject) values ($8, $2, $9, $10)`;
const FIND = 'select payload, consumed_at from artefact where model = $1 and';

const TOKENS = new Set(['AccessToken', 'ClientCredentials', 'RefreshToken']);

export async function postgresStore(connectionString) {
  const pool = new pg.Pool({ connectionString, min: 16, max: 16, idleTimeoutMillis: 0 });
  await pool.query(SCHEMA);
  const run = (name, text, values) => pool.query({ name, text, values });

  function keep(model, id, payload, expiresIn) {
    const values = [model, id, JSON.stringify(payload), payload.grantId, payload.uid, payload.userCode, expiresIn];
    if (!TOKENS.has(model)) return run('keep', KEEP, values);
    return run('keep-and-audit', KEEP_AND_AUDIT, [...values, `${model}.issued`, payload.clientId, payload.accountId]);
  }

  async function find(name, column, model, value) {
    const { rows: [row] } = await run(name, `${FIND} ${column} = $2`, [model, value]);
    return row && { ...row.payload, ...(row.consumed_at && { consumed: Number(row.consumed_at) }) };
  }

  class PostgresAdapter {
    constructor(model) { this.model = model; }
    upsert(id, payload, expiresIn) { return keep(this.model, id, payload, expiresIn); }
    find(id) { return find('find', 'id', this.model, id); }
    findByUid(uid) { return find('find-by-uid', 'uid', this.model, uid); }
    findByUserCode(code) { return find('find-by-user-code', 'user_code', this.model, code); }
    consume(id) {
      return run('consume', 'update artefact set consumed_at = extract(epoch from now()) where model = $1 and id = $2', [this.model, id]);
    }
    destroy(id) { return run('destroy', 'delete from artefact where model = $1 and id = $2', [this.model, id]); }
    revokeByGrantId(grantId) { return run('revoke', 'delete from artefact where grant_id = $1', [grantId]); }
  }

  return { Adapter: PostgresAdapter, keep };
}
