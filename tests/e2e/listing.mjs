// What Kysely and Drizzle list of two schemas, as JSON. Arguments: the database's address, a folder with the packages.
import { createRequire } from "node:module";

const [address, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Pool } = require("pg");
const { Kysely, PostgresDialect } = require("kysely");
const { drizzle } = require("drizzle-orm/node-postgres");
const { bigint, pgSchema, text } = require("drizzle-orm/pg-core");

const pool = new Pool({ connectionString: address });
const kysely = new Kysely({ dialect: new PostgresDialect({ pool }) });
const tables = (await kysely.introspection.getTables()).filter((t) => ["bi", "crm"].includes(t.schema));
const listed = tables.map((t) => ({
  schema: t.schema,
  name: t.name,
  view: t.isView,
  columns: t.columns.map((c) => c.name),
}));
const rows = await kysely.withSchema("bi").selectFrom("stages").select(["id", "name"]).orderBy("id").execute();
const stages = pgSchema("crm").table("stages", { id: bigint("id", { mode: "number" }), name: text("name") });
const same = await drizzle(pool).select().from(stages).orderBy(stages.id);
await pool.end();
console.log(JSON.stringify({ listed, rows: rows.map((r) => [Number(r.id), r.name]), same: same.map((r) => [r.id, r.name]) }));
