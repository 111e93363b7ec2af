// Drives the official npm client against an address: list, read, create, change, delete on both versions.
// Prints one JSON object that test_official_client.py looks at. Usage: node official_client.mjs URL TOKEN FOLDER
import { createRequire } from 'node:module';

const [url, apiKey, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const v1 = require('pipedrive/v1');
const v2 = require('pipedrive/v2');

const one = new v1.Configuration({ apiKey, basePath: `${url}/api/v1` });
const two = new v2.Configuration({ apiKey, basePath: `${url}/api/v2` });

async function walk(list) {
  const ids = [];
  let cursor;
  do {
    const page = await list({ limit: 50, cursor });
    ids.push(...page.data.map((row) => row.id));
    cursor = page.additional_data?.next_cursor ?? undefined;
  } while (cursor);
  return ids;
}

async function refused(promise) {
  try {
    await promise;
    return 'not refused';
  } catch (error) {
    return error.errorCode ?? String(error);
  }
}

const deals = new v2.DealsApi(two);
const persons = new v2.PersonsApi(two);
const activities = new v2.ActivitiesApi(two);
const products = new v2.ProductsApi(two);
const fields = new v2.DealFieldsApi(two);
const notes = new v1.NotesApi(one);
const leads = new v1.LeadsApi(one);
const users = new v1.UsersApi(one);
const roles = new v1.RolesApi(one);
const threads = new v1.MailboxApi(one);

const out = {};
out.me = (await users.getCurrentUser()).data.company_domain;
out.deals = await walk((page) => deals.getDeals(page));
out.archived = await walk((page) => deals.getArchivedDeals(page));
out.persons = (await walk((page) => persons.getPersons(page))).length;
out.activities = (await walk((page) => activities.getActivities(page))).length;
out.products = (await walk((page) => products.getProducts(page))).length;
out.extra = (await deals.getDeal({ id: 1, include_fields: 'products_count' })).data.products_count;

const made = (await deals.addDeal({ AddDealRequest: { title: 'By the client', value: 10.5, person_id: 1 } })).data;
out.made = [made.title, made.value, made.status];
const won = (await deals.updateDeal({ id: made.id, UpdateDealRequest: { status: 'won' } })).data;
out.won = [won.status, won.won_time !== null];
out.deleted = (await deals.deleteDeal({ id: made.id })).data.id === made.id;
out.gone = (await deals.getDeals({ status: 'deleted', limit: 500 })).data.some((d) => d.id === made.id);

const field = (await fields.addDealField({
  AddDealFieldRequest: {
    field_name: 'Client’s',
    field_type: 'enum',
    options: [{ label: 'a' }, { label: 'b' }],
  },
})).data;
const options = field.options.map((o) => o.id);
const custom_fields = { [field.field_code]: options[1] };
const marked = (await deals.updateDeal({ id: 1, UpdateDealRequest: { custom_fields } })).data;
out.option = [marked.custom_fields[field.field_code] === options[1], field.field_code.length];

const note = (await notes.addNote({ AddNoteRequest: { content: '<b>hi</b>', deal_id: 1, pinned_to_deal_flag: 1 } })).data;
out.note = [note.content, note.pinned_to_deal_flag];
out.changed = (await notes.updateNote({ id: note.id, NoteRequest: { content: 'bye' } })).data.content;
const lead = (await leads.addLead({ AddLeadRequest: { title: 'Lead', person_id: 1 } })).data;
out.lead = (await leads.updateLead({ id: lead.id, UpdateLeadRequest: { is_archived: true } })).data.is_archived;
await roles.addRoleAssignment({ id: 3, AddRoleAssignmentRequest: { user_id: 4 } });
out.assigned = (await roles.getRoleAssignments({ id: 3 })).data.some((a) => a.user_id === 4);
await roles.deleteRoleAssignment({ id: 3, DeleteRoleAssignmentRequest: { user_id: 4 } });
out.unassigned = !(await roles.getRoleAssignments({ id: 3 })).data.some((a) => a.user_id === 4);
out.thread = (await threads.updateMailThreadDetails({ id: 2, read_flag: 1 })).data.read_flag;

out.missing = await refused(deals.getDeal({ id: 999999 }));
out.wrong = await refused(deals.addDeal({ AddDealRequest: { title: 'x', nonsense: 1 } }));
out.unauthorized = await refused(
  new v2.DealsApi(new v2.Configuration({ apiKey: 'wrong', basePath: `${url}/api/v2` })).getDeals());

console.log(JSON.stringify(out));
