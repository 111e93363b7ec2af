/*-------------------------------------------------------------------------
 *
 * pipedrive_fdw.c
 *	  What stands between PostgreSQL and Multicorn.
 *
 * Of Multicorn, which embeds Python, this library uses what is sound: the interpreter,
 * one Python object for each foreign table, and IMPORT.  All that looks at a plan, a
 * condition, a row, a transaction or an error is done here.
 * docs/decisions/own-handler.md has the reasons, and the contract with Python: it is
 * asked by JSON, answers by a text, by rows or by the words of an error, and raises
 * nothing through Multicorn's frames or the server's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/reloptions.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "jit/jit.h"
/* Of Port only the first member is used: the headers of these libraries need not be there */
#undef USE_OPENSSL
#undef ENABLE_GSS
#include "libpq/libpq-be.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/clauses.h"
#include "optimizer/inherit.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "storage/ipc.h"
#include "storage/predicate.h"
#include "storage/procsignal.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc_tables.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(pipedrive_fdw_handler);
PG_FUNCTION_INFO_V1(pipedrive_fdw_validator);
PG_FUNCTION_INFO_V1(pipedrive_fdw_ask);

/* What the versions of PostgreSQL call by different names */
#if PG_VERSION_NUM < 140000
#define pull_varnos(root, node) pull_varnos(node)
#define IS_TARGET(root, relid) ((int) (relid) == (root)->parse->resultRelation)
#define TARGET_LIST(root) ((root)->parse->targetList)
#define MODIFIED_ROWS(modify, number) ((Plan *) list_nth((modify)->plans, number))
#define IS_MEMOIZE(node) false
#else
#define IS_TARGET(root, relid) bms_is_member(relid, (root)->all_result_relids)
#define TARGET_LIST(root) ((root)->processed_tlist)
#define MODIFIED_ROWS(modify, number) outerPlan(modify)
#define IS_MEMOIZE(node) IsA(node, MemoizeState)
#endif
#if PG_VERSION_NUM < 150000
#define STOPS_EARLY(window) false
#else
#define STOPS_EARLY(window) (((WindowAgg *) (window))->runCondition != NIL)
#endif
#if PG_VERSION_NUM < 160000
#define get_guc_variables(number) (*(number) = GetNumConfigOptions(), get_guc_variables())
#define WRITE_USER(target, estate) (exec_rt_fetch((target)->ri_RangeTableIndex, estate)->checkAsUser)
#define UPDATED_COLUMNS(root, target) (planner_rt_fetch(target, root)->updatedCols)
#else
#define WRITE_USER(target, estate) ExecGetResultRelCheckAsUser(target, estate)
#define UPDATED_COLUMNS(root, target) get_rel_all_updated_cols(root, find_base_rel(root, target))
#endif
#if PG_VERSION_NUM < 180000
#define IS_DESCENDING(key) ((key)->pk_strategy == BTGreaterStrategyNumber)
#define MEMBERS(class, rel) ((class)->ec_members)
#define RUN_ONCE , bool once
#define AND_ONCE , once
#else
#define IS_DESCENDING(key) ((key)->pk_cmptype == COMPARE_GT)
#define MEMBERS(class, rel) \
	(!IS_OTHER_REL(rel) ? (class)->ec_members \
	 : (int) (rel)->relid < (class)->ec_childmembers_size ? (class)->ec_childmembers[(rel)->relid] : NIL)
#define RUN_ONCE
#define AND_ONCE
#endif

#define FIND(function, name) \
	(function = (__typeof__(function)) (void (*) (void)) lookup_external_function(library, name))
#define SCAN_REQUEST(plan) strVal(linitial((plan)->fdw_private))
#define SCAN_USER(plan) ((Oid) intVal(lsecond((plan)->fdw_private)))
#define JSON_BOOL(value) ((value) ? "true" : "false")
#define VERB(command) ((command) == CMD_INSERT ? "INSERT" : (command) == CMD_UPDATE ? "UPDATE" : "DELETE")
#define WHOLE_ROW (-FirstLowInvalidHeapAttributeNumber)	/* as pull_varattnos() counts */
#define DEEPEST 50				/* expression that Python is told; its JSON must not nest too deep */
#define SETTINGS "settings"		/* the question that comes first */
#define SCANNED_ROW "wholerow"	/* names it in a plan; PostgreSQL gives others the same */

/* Multicorn's callbacks, and Python's functions that need no header */
static FdwRoutine multicorn;
static int	(*run_python) (const char *code);
static void *(*import_module) (const char *name);
static void *(*call_method) (void *object, const char *name, const char *types,...);
static void (*print_error) (void);
static void (*release_object) (void *object);
static void *(*release_gil) (void);
static void (*take_gil) (void *thread);
static void *package;			/* the module pipedrive_fdw.fdw, once it is loaded */

/* The hooks that stood before ours */
static object_access_hook_type next_access_hook;
static ExecutorRun_hook_type next_run_hook;

/* What Python answered, and keeps: an SQLSTATE, message, detail and hint, or with no SQLSTATE a text */
typedef struct Reply
{
	const char *sqlstate;
	const char *text;
	const char *detail;
	const char *hint;
	bool		cancelled;		/* pipedrive_fdw_interrupted() said so */
} Reply;

static Reply reply;
static Oid	asking_user;
static int	asking_context;
static bool asked_in_transaction;
static int64 last_number;		/* of scans and writes */
static TimestampTz query_began; /* when the client began the query that runs; 0 for none */
static bool settings_are_open;	/* under our prefix something can be set that is no setting */

/* How many of a scan's rows will be taken; Python knows the numbers */
typedef enum Reads
{
	READS_SOME,					/* perhaps not all */
	READS_MORE,					/* all, once a second one is taken */
	READS_ALL
} Reads;

/* What is known of a relation while it is planned; RelOptInfo.fdw_private */
typedef struct PlannedScan
{
	PlannerInfo *root;
	RelOptInfo *rel;
	Oid			relation;
	List	   *joins;			/* conditions by which a join can look rows up */
	char	   *needs;			/* JSON members: what the query uses of a row */
	char	   *order;			/* JSON list: the order that the query wants */
	List	   *pathkeys;		/* as much of it as can be given */
	List	   *parameters;		/* operands whose values are known only when the scan runs */
	int			depth;			/* of the expression that becomes JSON now */
	const char *estimate;		/* Python's answer to ask_plan() */
} PlannedScan;

/* What is taken of a node's rows, and the node at the top of its plan */
typedef struct Taken
{
	Reads		reads;
	PlanState  *top;
} Taken;

/* Rows of the outer side of a nested loop that are read before their turn */
typedef struct RowsAhead
{
	NestLoopState *loop;
	ExecProcNodeMtd read;		/* what reads the outer side */
	TupleTableSlot *slot;		/* the row whose turn it is */
	List	   *rows;			/* those that wait, of MinimalTuple */
	bool		ended;			/* none follows them */
	struct RowsAhead *next;
} RowsAhead;

static RowsAhead *rows_ahead;	/* of all loops */

/* A scan that runs; ForeignScanState.fdw_state */
typedef struct RunningScan
{
	ForeignScanState *node;
	int64		number;
	TimestampTz began;			/* when the client began its query */
	List	   *parameters;		/* of ExprState */
	AttInMetadata *input;		/* makes tuples of texts */
	int		   *live;			/* places of the columns that are not dropped */
	MemoryContext batch,		/* the rows that Python gave last */
				scratch;
	HeapTuple  *rows;
	int			count,
				given;			/* how many of them have been */
	int64		taken;			/* rows, by all loops */
	bool		asked;			/* Python knows what to scan */
	Reads		reads;
	NestLoopState *loop;		/* which looks rows up by this scan */
	Taken		of_loop;
	RowsAhead  *ahead;			/* none until the loop is known to end */
	int			keys_ahead;		/* how many of its keys Python wants to know ahead */
	MemoryContextCallback forget;
} RunningScan;

/* A write that runs; ResultRelInfo.ri_FdwState */
typedef struct RunningWrite
{
	int64		number;
	CmdType		operation;
	AttrNumber	row;			/* where the plan carries the scanned row */
	TupleTableSlot *scanned;	/* takes that row */
	FmgrInfo	populate;		/* json_populate_record() for rows of the table */
} RunningWrite;

/* What Python finds by ctypes.  None of the functions can raise. */
extern PGDLLEXPORT void _PG_init(void);
extern PGDLLEXPORT const char *pipedrive_fdw_question;
extern PGDLLEXPORT void pipedrive_fdw_answer(const char *sqlstate, const char *text, const char *detail,
											 const char *hint, int cancelled);
extern PGDLLEXPORT int pipedrive_fdw_interrupted(void);
extern PGDLLEXPORT int64 pipedrive_fdw_query_began(void);
extern PGDLLEXPORT void pipedrive_fdw_log(const char *text);

const char *pipedrive_fdw_question = NULL;

void
pipedrive_fdw_answer(const char *sqlstate, const char *text, const char *detail, const char *hint,
					 int cancelled)
{
	reply = (Reply) {sqlstate, text, detail, hint, cancelled};
}

/* Does a cancel wait, a timeout, the end of the session?  Is the client gone? */
int
pipedrive_fdw_interrupted(void)
{
#ifdef POLLRDHUP
	struct pollfd client = {.fd = MyProcPort ? MyProcPort->sock : -1, .events = POLLRDHUP};

	if (poll(&client, 1, 0) > 0 && (client.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		ClientConnectionLost = InterruptPending = true;
#endif
	/* DROP DATABASE, also of another one, waits until each backend has closed its files, which raises nothing */
	if (ProcSignalBarrierPending && INTERRUPTS_CAN_BE_PROCESSED())
		ProcessProcSignalBarrier();
#if PG_VERSION_NUM >= 170000
	if (TransactionTimeoutPending)
		return true;
#endif
	return QueryCancelPending || ProcDiePending || ClientConnectionLost;
}

/* When did the client begin the query that runs?  If it takes the rows in pieces, with an earlier statement. */
int64
pipedrive_fdw_query_began(void)
{
	return query_began ? query_began : GetCurrentStatementStartTimestamp();
}

/* A line in the server's log alone, without the statement and the context, which hold values. */
void
pipedrive_fdw_log(const char *text)
{
	ErrorContextCallback *context = error_context_stack;

	HOLD_INTERRUPTS();			/* a cancel would jump out of ereport() over Python's frames */
	error_context_stack = NULL;
	ereport(LOG_SERVER_ONLY, (errmsg_internal("%s", text), errhidestmt(true), errhidecontext(true)));
	error_context_stack = context;
	RESUME_INTERRUPTS();
}

/* A string as JSON; null for NULL, as the name of a role that another session has dropped. */
static char *
quoted(const char *text)
{
	StringInfoData out;

	if (text == NULL)
		return "null";
	initStringInfo(&out);
	escape_json(&out, text);
	return out.data;
}

/* JSON texts as a list, or pairs as an object. */
static char *
joined(List *texts, char open, char close)
{
	StringInfoData out;
	ListCell   *cell;

	initStringInfo(&out);
	appendStringInfoChar(&out, open);
	foreach(cell, texts)
		appendStringInfo(&out, "%s%s", out.len > 1 ? "," : "", (char *) lfirst(cell));
	appendStringInfoChar(&out, close);
	return out.data;
}

static char *
json_options(List *options)
{
	List	   *pairs = NIL;
	ListCell   *cell;

	foreach(cell, options)
		pairs = lappend(pairs, psprintf("%s:%s", quoted(((DefElem *) lfirst(cell))->defname),
										quoted(defGetString(lfirst(cell)))));
	return joined(pairs, '{', '}');
}

static char *
json_columns(Oid relation, Bitmapset *columns)
{
	List	   *names = NIL;
	int			member = WHOLE_ROW;

	while ((member = bms_next_member(columns, member)) >= 0)
		names = lappend(names, quoted(get_attname(relation, member - WHOLE_ROW, false)));
	return joined(names, '[', ']');
}

/* A value, or a row as an object, in a form that does not depend on the session. */
static char *
json_value(Oid type, Datum value, bool isnull)
{
	static const char *const forms[][2] = {{"datestyle", "ISO"}, {"intervalstyle", "postgres"},
	{"timezone", "UTC"}, {"extra_float_digits", "1"}, {"bytea_output", "hex"}};
	int			nest;
	Oid			function;
	bool		varlena;
	char	   *shown;

	if (isnull)
		return "null";
	nest = NewGUCNestLevel();
	for (size_t i = 0; i < lengthof(forms); i++)
		(void) set_config_option(forms[i][0], forms[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	getTypeOutputInfo(type, &function, &varlena);
	shown = type == RECORDOID ? TextDatumGetCString(DirectFunctionCall1(row_to_json, value))
		: OidOutputFunctionCall(function, value);
	AtEOXact_GUC(true, nest);
	return quoted(shown);
}

static bool
has_mapping(Oid user, Oid server)
{
	return SearchSysCacheExists2(USERMAPPINGUSERSERVER, user, server);
}

/* Members that say who asks a server, as which user, with whose user mapping, and in which query, if known. */
static char *
json_caller(Oid user, Oid server, EState *state)
{
	if (!OidIsValid(user))
		user = GetUserId();
	return psprintf("\"caller\":{\"server\":%s,\"session_user\":%s,\"current_user\":%s,\"user\":%s,"
					"\"mapping\":%s,\"database\":\"%u\",\"role_oid\":\"%u\",\"session_role_oid\":\"%u\","
					"\"query_id\":" INT64_FORMAT "}",
					quoted(GetForeignServer(server)->servername),
					quoted(GetUserNameFromId(GetSessionUserId(), true)),
					quoted(GetUserNameFromId(GetUserId(), true)),
					quoted(GetUserNameFromId(user, true)),
					quoted(has_mapping(user, server) ? GetUserNameFromId(user, true) : "PUBLIC"),
					MyDatabaseId, GetUserId(), GetSessionUserId(),
					state ? (int64) state->es_plannedstmt->queryId : 0);
}

/* Members that have the options of a server and of a user's mapping to it, if there is one. */
static char *
json_account(Oid user, ForeignServer *server)
{
	bool		mapped = has_mapping(user, server->serverid) || has_mapping(InvalidOid, server->serverid);

	return psprintf("\"server\":%s,\"mapping\":%s", json_options(server->options),
					json_options(mapped ? GetUserMapping(user, server->serverid)->options : NIL));
}

/*
 * The name of a setting under our prefix that is none of ours, NULL for none.  SET
 * takes it before PostgreSQL 15, and in every version before this library is loaded.
 */
static const char *
unknown_setting(void)
{
	int			number = 0;
	const char *value;
	struct config_generic **known = settings_are_open ? get_guc_variables(&number) : NULL;

	for (int i = 0; i < number; i++)
		if ((known[i]->flags & GUC_CUSTOM_PLACEHOLDER)
			&& pg_strncasecmp(known[i]->name, "pipedrive.", 10) == 0
			&& (value = GetConfigOption(known[i]->name, false, false)) != NULL && *value)
			return known[i]->name;
#if PG_VERSION_NUM >= 150000
	if (settings_are_open)
		MarkGUCPrefixReserved("pipedrive");
	settings_are_open = false;
#endif
	return NULL;
}

/*
 * Load the Python package, before the first question.  Not in _PG_init(): every parallel worker loads the libraries
 * of its leader, also for a query of other tables, and has no use for Python.
 */
static bool
load_package(void)
{
	/* What is loaded stays: Python need not look for garbage in it, neither now nor later */
	if (!package && run_python("import gc; gc.disable()\n"
							   "try: import pipedrive_fdw.fdw; gc.freeze()\n"
							   "finally: gc.enable()\n") == 0)
		package = import_module("pipedrive_fdw.fdw");
	return package != NULL;
}

/* Call a function of the package, with a number as "types" says.  An error of it goes to the server's log. */
static bool
call_package(const char *function, const char *types, int64 number)
{
	void	   *result = call_method(package, function, types, (long long) number);

	if (result == NULL)
		print_error();
	else
		release_object(result);
	return result != NULL;
}

static const char *ask_module(int level, const char *kind, const char *members);

/* Define the settings that Python reads, so that others are an error. */
static void
define_settings(void)
{
	static bool defined;
	List	   *names;
	ListCell   *cell;

	/* In parallel mode PostgreSQL would not take over what SET has set already */
	if (defined || IsInParallelMode())
		return;
	(void) SplitIdentifierString(pstrdup(ask_module(ERROR, SETTINGS, "")), ',', &names);
	foreach(cell, names)
		DefineCustomStringVariable(lfirst(cell), "Overrides the option of server or table for the session.",
								   NULL, MemoryContextAllocZero(TopMemoryContext, sizeof(char *)), NULL,
								   PGC_USERSET, 0, NULL, NULL, NULL);
	defined = settings_are_open = true;
}

/*
 * Ask Python, about a foreign table or about none, which ends with answered().  Until then the user mapping is that
 * of "user", if given.
 */
static void
ask(const char *kind, Oid relation, Oid user, const char *members)
{
	List	   *options = OidIsValid(relation) ? GetForeignTable(relation)->options : NIL;

	if (!load_package())
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
						errmsg("the Python package pipedrive_fdw cannot be loaded"),
						errdetail("The server's log says why."),
						errhint("Run make install for the Python that Multicorn embeds.")));
	if (strcmp(kind, SETTINGS) != 0)
		define_settings();
	pipedrive_fdw_question =
		psprintf("{\"call\":\"%s\",\"depth\":%d,\"unknown_setting\":%s,\"options\":%s%s%s}", kind,
				 GetCurrentTransactionNestLevel(), quoted(unknown_setting()), json_options(options),
				 *members ? "," : "", members);
	reply = (Reply) {"", "", "", "", false};
	asked_in_transaction = true;
	GetUserIdAndSecContext(&asking_user, &asking_context);
	if (OidIsValid(user) && user != asking_user)
		SetUserIdAndSecContext(user, asking_context | SECURITY_LOCAL_USERID_CHANGE);
}

/* An ErrorContextCallback: PostgreSQL's words for a cancel with what Python has to add. */
static void
add_detail(void *argument)
{
	if (*reply.detail)
		errdetail_internal("%s", reply.detail);
}

/* False if the encoding of the client lacks a character of a text: an error of it would say only that. */
static bool
client_receives(const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool receives = true;

	PG_TRY();
	{
		(void) pg_server_to_client(text, strlen(text));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		receives = false;
	}
	PG_END_TRY();
	return receives;
}

/* A text as the client can receive it. */
static const char *
receivable(const char *text)
{
	char	   *shown,
			   *to;

	if (client_receives(text))
		return pstrdup(text);
	shown = to = pstrdup(text);
	for (; *text; text++)
		if (strncmp(text, "\xE2\x80\xA6", 3) == 0)	/* our own ellipsis */
		{
			to = (char *) memcpy(to, "...", 3) + 3;
			text += 2;
		}
		else if (!IS_HIGHBIT_SET(*text))
			*to++ = *text;
		else if ((*text & 0xC0) == 0xC0)	/* a character begins */
			*to++ = '?';
	*to = '\0';
	return shown;
}

/* An error that Python reports has the level given. */
static const char *
answered(int level)
{
	const char *state = reply.sqlstate;
	ErrorContextCallback context = {.previous = error_context_stack, .callback = add_detail};

	pipedrive_fdw_question = NULL;
	SetUserIdAndSecContext(asking_user, asking_context);
	if (*state || level < ERROR)
		reply = (Reply) {state, receivable(reply.text), receivable(reply.detail), receivable(reply.hint),
		reply.cancelled};
	if (reply.cancelled)
	{
		error_context_stack = &context;
		CHECK_FOR_INTERRUPTS(); /* may end the session, too */
		error_context_stack = context.previous;
	}
	if (*state)
		ereport(level, (errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])),
						errmsg_internal("%s", reply.text),
						*reply.detail ? errdetail_internal("%s", reply.detail) : 0,
						*reply.hint ? errhint("%s", reply.hint) : 0));
	return *state ? "" : reply.text;
}

/* Ask what belongs to no foreign table.  What goes wrong has the level given. */
static const char *
ask_module(int level, const char *kind, const char *members)
{
	ask(kind, InvalidOid, InvalidOid, members);
	if (!call_package("serve", "", 0))
		ereport(level, (errcode(ERRCODE_FDW_ERROR), errmsg("the Python package pipedrive_fdw failed"),
						errdetail("The server's log says why.")));
	return answered(level);
}

/* Multicorn crashes at a table without a column. */
static bool
has_columns(Oid relation)
{
	/* Of a dropped one there is a name, but no type */
	for (AttrNumber number = 1; get_attname(relation, number, true); number++)
		if (OidIsValid(get_atttype(relation, number)))
			return true;
	return false;
}

/* Does Multicorn know the class?  The event trigger that tells it may have been disabled. */
static bool
has_wrapper(Oid id, int level)
{
	ForeignServer *server = GetForeignServer(id);
	ListCell   *cell;

	foreach(cell, server->options)
		if (strcmp(((DefElem *) lfirst(cell))->defname, "wrapper") == 0)
			return true;
	ereport(level, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
					errmsg("pipedrive option: the server %s lacks the option wrapper", server->servername),
					errdetail("The event trigger pipedrive_servers, which gives it, was disabled."),
					errhint("ALTER SERVER %s OPTIONS (ADD wrapper 'pipedrive_fdw.PipedriveFdw');",
							quote_identifier(server->servername))));
	return false;
}

/*
 * Ask the Python object of a foreign table.  Multicorn finds or makes it when it is asked for the
 * size of a relation, so it gets one without conditions.
 */
static const char *
ask_table(Oid relation, Oid user, const char *kind, const char *members)
{
	RelOptInfo *plain = makeNode(RelOptInfo);

	if (!has_columns(relation))
		ereport(ERROR, (errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
						errmsg("pipedrive option: %s must have a column", get_rel_name(relation)),
						errhint("IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (...) makes a table with all its "
								"columns.")));
	(void) has_wrapper(GetForeignServerIdByRelId(relation), ERROR);
	plain->reltarget = makeNode(PathTarget);
	ask(kind, relation, user, members);
	multicorn.GetForeignRelSize(makeNode(PlannerInfo), plain, relation);
	return answered(ERROR);
}

static char *json_expressions(PlannedScan *scan, List *nodes);

/*
 * A condition or a part of one as JSON; null for what Python is not told, which does no harm, since
 * PostgreSQL checks all conditions on each row.  What does not depend on the relation is an operand: a
 * value, or where that is known only when the scan runs, its number among the parameters.
 */
static char *
json_expression(PlannedScan *scan, Node *node)
{
	static const char *const tests[] = {[IS_TRUE] = "IS TRUE", [IS_FALSE] = "IS FALSE",
	[IS_NOT_TRUE] = "IS NOT TRUE", [IS_NOT_FALSE] = "IS NOT FALSE", [IS_UNKNOWN] = "IS NULL",
	[IS_NOT_UNKNOWN] = "IS NOT NULL"};
	static const char *const joins[] = {[AND_EXPR] = "AND", [OR_EXPR] = "OR", [NOT_EXPR] = "NOT"};
	List	   *arguments;
	ListCell   *cell;
	Oid			function = InvalidOid;
	const char *name;

	if (IsA(node, RestrictInfo))
		node = (Node *) ((RestrictInfo *) node)->clause;
	if (!bms_is_member(scan->rel->relid, pull_varnos(scan->root, node)))
	{
		const char *type = quoted(format_type_be(exprType(node)));

		if (IsA(node, Const))
			return psprintf("{\"type\":%s,\"value\":%s}", type, json_value(exprType(node),
							((Const *) node)->constvalue, ((Const *) node)->constisnull));
		if (contain_volatile_functions(node) || contain_subplans(node))
			return "null";
		scan->parameters = lappend(scan->parameters, node);
		return psprintf("{\"type\":%s,\"parameter\":%d}", type, list_length(scan->parameters) - 1);
	}
	switch (nodeTag(node))
	{
		case T_Var:
			if (((Var *) node)->varattno <= 0)
				return "null";
			name = get_attname(scan->relation, ((Var *) node)->varattno, false);
			return psprintf("{\"column\":%s}", quoted(name));
		case T_PlaceHolderVar:
			return json_expression(scan, (Node *) ((PlaceHolderVar *) node)->phexpr);
		case T_RelabelType:
			/* To another type than text it may go with another comparison */
			return exprType(node) != TEXTOID ? "null"
				: json_expression(scan, (Node *) ((RelabelType *) node)->arg);
		case T_FuncExpr:
			function = ((FuncExpr *) node)->funcid;
			/* Of a row that a condition keeps, Python takes the column not to be NULL */
			name = func_strict(function) ? get_func_name(function) : NULL;
			arguments = ((FuncExpr *) node)->args;
			break;
		case T_OpExpr:
			function = ((OpExpr *) node)->opno;
			name = get_opname(function);
			arguments = ((OpExpr *) node)->args;
			break;
		case T_ScalarArrayOpExpr:
			function = ((ScalarArrayOpExpr *) node)->opno;
			name = psprintf(((ScalarArrayOpExpr *) node)->useOr ? "%s ANY" : "%s ALL", get_opname(function));
			arguments = ((ScalarArrayOpExpr *) node)->args;
			break;
		case T_NullTest:
			name = ((NullTest *) node)->nulltesttype == IS_NULL ? "IS NULL" : "IS NOT NULL";
			arguments = list_make1(((NullTest *) node)->arg);
			break;
		case T_BooleanTest:
			name = tests[((BooleanTest *) node)->booltesttype];
			arguments = list_make1(((BooleanTest *) node)->arg);
			break;
		case T_BoolExpr:
			name = joins[((BoolExpr *) node)->boolop];
			arguments = ((BoolExpr *) node)->args;
			/* Python has no use for an OR of something else: do not compute what PostgreSQL may pass over */
			foreach(cell, arguments)
				if (is_orclause(node) && !bms_is_member(scan->rel->relid, pull_varnos(scan->root, lfirst(cell))))
					return "null";
			break;
		default:
			return "null";
	}
	/* What the user's own functions and collations find equal need not be */
	if (name == NULL || function >= FirstNormalObjectId || exprInputCollation(node) >= FirstNormalObjectId)
		return "null";
	return psprintf("{\"%s\":%s,\"arguments\":%s}", IsA(node, FuncExpr) ? "function" : "operator",
					quoted(name), json_expressions(scan, arguments));
}

static char *
json_expressions(PlannedScan *scan, List *nodes)
{
	List	   *texts = NIL;
	ListCell   *cell;

	scan->depth++;
	foreach(cell, nodes)
		texts = lappend(texts, scan->depth > DEEPEST ? "null" : json_expression(scan, lfirst(cell)));
	scan->depth--;
	return joined(texts, '[', ']');
}

/* The members of equivalence classes that have been found, and the one that is asked for now */
typedef struct FoundMembers
{
	Expr	   *now;
	List	   *before;
} FoundMembers;

static bool
is_next(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *class, EquivalenceMember *member, void *argument)
{
	FoundMembers *found = argument;

	if (found->now == NULL && !list_member(found->before, member->em_expr))
		found->now = member->em_expr;
	return equal(found->now, member->em_expr);
}

/* The conditions of joins on a relation, not those of an outer join that keeps the relation's rows. */
static List *
join_clauses(PlannerInfo *root, RelOptInfo *rel)
{
	FoundMembers found = {NULL, NIL};
	List	   *clauses = NIL;
	ListCell   *cell;

	/* PostgreSQL gives those of one class at a time */
	while (rel->has_eclass_joins)
	{
		found.now = NULL;
		clauses = list_concat(clauses, generate_implied_equalities_for_column(root, rel, is_next, &found,
																			  rel->lateral_referencers));
		if (found.now == NULL)
			break;
		found.before = lappend(found.before, found.now);
	}
	foreach(cell, rel->joininfo)
		if (join_clause_is_movable_to(lfirst(cell), rel))
			clauses = lappend(clauses, lfirst(cell));
	return clauses;
}

/* What the query uses of a row, as members of JSON. */
static char *
json_needs(PlannerInfo *root, RelOptInfo *rel, Oid relation, List *joins)
{
	bool		target = IS_TARGET(root, rel->relid),
				carried = (target || root->rowMarks) && rel->reloptkind == RELOPT_BASEREL;
	Index		statement = rel->relid;
	int			number;
	Bitmapset  *columns = NULL,
			   *named = NULL,
			   *compared = NULL;
	const char *identity = NULL;	/* by which a write finds rows without naming their key */
	ListCell   *cell;

	/* Writes and locks carry rows along to the list of results: of that counts what the statement names */
	foreach(cell, rel->reltarget->exprs)
	{
		Var		   *column = lfirst(cell);

		if (carried && IsA(column, Var) && (target || column->varattno == 0)
			&& bms_is_subset(rel->attr_needed[column->varattno - rel->min_attr], bms_make_singleton(0)))
			continue;
		pull_varattnos((Node *) column, rel->relid, &columns);
	}
	foreach(cell, carried ? TARGET_LIST(root) : NIL)
	{
		TargetEntry *entry = lfirst(cell);

		/* A column or row that is carried along has a name, and is no result */
		if (!entry->resjunk || entry->resname == NULL || !IsA(entry->expr, Var))
			pull_varattnos((Node *) entry, rel->relid, &columns);
	}
	if (target && has_row_triggers(root, rel->relid, root->parse->commandType))
		columns = bms_add_member(columns, WHOLE_ROW);
	pull_varattnos((Node *) root->parse->returningList, rel->relid, &columns);
	/* In the statement a child has the name of its parent */
	while (root->append_rel_array && root->append_rel_array[statement])
		statement = root->append_rel_array[statement]->parent_relid;
	pull_varattnos((Node *) root->parse->jointree, statement, &named);
	number = bms_next_member(named, TableOidAttributeNumber + WHOLE_ROW) - WHOLE_ROW;
	if (target && number > TableOidAttributeNumber && number < 0)
		identity = get_attname(relation, number, false);
	foreach(cell, rel->baserestrictinfo)
	{
		Expr	   *clause = lfirst_node(RestrictInfo, cell)->clause;

		pull_varattnos((Node *) clause, rel->relid, &columns);
		if (!IsA(clause, NullTest))
			pull_varattnos((Node *) clause, rel->relid, &compared);
		if (IsA(clause, CurrentOfExpr))
			identity = "WHERE CURRENT OF";
	}
	foreach(cell, joins)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, cell)->clause, rel->relid, &compared);
	return psprintf("\"table\":%s,\"identity\":%s,\"columns\":%s,\"compared\":%s,\"whole\":%s,\"target\":%s,"
					"\"all\":%s", quoted(get_rel_name(relation)), quoted(identity),
					json_columns(relation, columns), json_columns(relation, compared),
					JSON_BOOL(bms_is_member(WHOLE_ROW, columns)), JSON_BOOL(target),
					JSON_BOOL(root->tuple_fraction <= 0 && root->limit_tuples < 0));
}

/*
 * A PathKey as JSON, if it sorts by a column of the relation in PostgreSQL's default way.  Pipedrive lets
 * texts that it finds equal stand apart, so that their order may be shown, but nothing else may go by it.
 */
static char *
json_sort_key(PlannedScan *scan, PathKey *key)
{
	EquivalenceClass *class = key->pk_eclass;
	PlannerInfo *root = scan->root;
	Query	   *parse = root->parse;
	ListCell   *cell;

	if (OidIsValid(class->ec_collation)
		&& (class->ec_collation != DEFAULT_COLLATION_OID || root->parent_root
			|| !bms_equal(root->all_baserels, scan->rel->relids) || parse->groupClause
			|| parse->groupingSets || parse->distinctClause || parse->windowClause || parse->setOperations
			|| parse->hasAggs || parse->limitOption == LIMIT_OPTION_WITH_TIES))
		return NULL;
	foreach(cell, MEMBERS(class, scan->rel))
	{
		EquivalenceMember *member = lfirst(cell);
		Var		   *column = (Var *) member->em_expr;

		if (IsA(column, RelabelType))
			column = (Var *) ((RelabelType *) column)->arg;
		if (bms_equal(member->em_relids, scan->rel->relids) && IsA(column, Var) && column->varattno > 0
			&& key->pk_opfamily == get_opclass_family(GetDefaultOpClass(member->em_datatype, BTREE_AM_OID)))
			return psprintf("{\"column\":%s,\"descending\":%s,\"nulls_first\":%s}",
							quoted(get_attname(scan->relation, column->varattno, false)),
							JSON_BOOL(IS_DESCENDING(key)), JSON_BOOL(key->pk_nulls_first));
	}
	return NULL;
}

/*
 * What Python makes of a scan with the conditions of the relation and those of joins: rows, bytes of a row,
 * costs of the first and of all rows, how many keys of the order it gives; nothing where it is of no use.
 */
static const char *
ask_plan(PlannedScan *scan, List *joins)
{
	char	   *conditions,
			   *members;

	scan->parameters = NIL;
	conditions = json_expressions(scan, scan->rel->baserestrictinfo);
	members = psprintf("%s,\"order\":%s,\"limit\":%.0f,\"conditions\":%s,\"joins\":%s", scan->needs,
					   scan->order, Max(scan->root->limit_tuples, 0), conditions,
					   json_expressions(scan, joins));
	return pstrdup(ask_table(scan->relation, scan->rel->userid, "plan", members));
}

/*
 * GetForeignRelSize: Multicorn forgets that whole rows are used, and takes conditions by the first bytes of
 * a node.  Python is told both exactly.
 */
static void
pipedrive_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relation)
{
	PlannedScan *scan = palloc0(sizeof(PlannedScan));
	List	   *order = NIL;
	ListCell   *cell;
	char	   *key;
	int			ordered = 0;

	scan->root = root;
	scan->rel = rel;
	scan->relation = relation;
	/* Compiling a scan anew for each key of a join takes longer than the scans.  In parallel mode no SET is allowed */
	if (jit_enabled && !IsInParallelMode())
		(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	foreach(cell, root->query_pathkeys)
	{
		if ((key = json_sort_key(scan, lfirst(cell))) == NULL)
			break;
		scan->pathkeys = lappend(scan->pathkeys, lfirst(cell));
		order = lappend(order, key);
	}
	scan->order = joined(order, '[', ']');
	scan->joins = join_clauses(root, rel);
	scan->needs = json_needs(root, rel, relation, scan->joins);
	scan->estimate = ask_plan(scan, NIL);
	(void) sscanf(scan->estimate, "%lf %d %*f %*f %d", &rel->rows, &rel->reltarget->width, &ordered);
	scan->pathkeys = list_truncate(scan->pathkeys, ordered);
	rel->fdw_private = scan;
}

static void
add_scan(PlannedScan *scan, const char *estimate, List *pathkeys, Relids outer)
{
	double		rows;
	Cost		startup,
				total;

	if (sscanf(estimate, "%lf %*d %lf %lf", &rows, &startup, &total) == 3)
		add_path(scan->rel, (Path *) create_foreignscan_path(scan->root, scan->rel, NULL, clamp_row_est(rows),
#if PG_VERSION_NUM >= 180000
															 0, /* disabled_nodes */
#endif
															 startup, total, pathkeys, outer, NULL,
#if PG_VERSION_NUM >= 170000
															 NIL,	/* fdw_restrictinfo */
#endif
															 NIL));
}

/* For each row of the relations "outer", unless they are among those that Python has been asked about. */
static List *
add_look_up(PlannedScan *scan, Relids outer, List *asked)
{
	ParamPathInfo *joins;
	ListCell   *cell;

	foreach(cell, asked)
		if (bms_equal(lfirst(cell), outer))
			return asked;
	joins = get_baserel_parampathinfo(scan->root, scan->rel, outer);
	if (joins && joins->ppi_clauses != NIL)
		add_scan(scan, ask_plan(scan, joins->ppi_clauses), NIL, outer);
	return lappend(asked, outer);
}

/*
 * GetForeignPaths: Multicorn looks up by conditions that do not belong to the relation, forgets what is
 * lateral, and crashes at some sorts.  Here PostgreSQL's rules say which relations give values to look up
 * by, and Python whether a scan for each is worth it.
 */
static void
pipedrive_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relation)
{
	PlannedScan *scan = rel->fdw_private;
	Relids		every = rel->lateral_relids;
	List	   *asked = NIL;
	ListCell   *cell;

	add_scan(scan, scan->estimate, NIL, rel->lateral_relids);
	if (scan->pathkeys != NIL)
		add_scan(scan, scan->estimate, scan->pathkeys, rel->lateral_relids);
	foreach(cell, scan->joins)
	{
		Relids		outer = bms_union(lfirst_node(RestrictInfo, cell)->clause_relids, rel->lateral_relids);

		outer = bms_del_member(outer, rel->relid);
		asked = add_look_up(scan, outer, asked);
		every = bms_union(every, outer);
	}
	/* The columns of one key may get their values from several relations */
	if (scan->joins != NIL)
		(void) add_look_up(scan, every, asked);
}

/*
 * GetForeignPlan: the plan carries what Python is to be told, as JSON, and the expressions whose values are
 * known only when the scan runs, so that Multicorn has nothing to misread.
 */
static ForeignScan *
pipedrive_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relation, ForeignPath *path, List *tlist,
				   List *clauses, Plan *outer)
{
	PlannedScan *scan = rel->fdw_private;
	int			ordered = list_length(path->path.pathkeys);
	Query	   *parse = root->parse;

	/* That of a function is only what PostgreSQL guesses */
	bool		limited = root->limit_tuples > 0 && IsA(parse->limitCount, Const)
		&& (parse->limitOffset == NULL || IsA(parse->limitOffset, Const))
		&& parse->limitOption != LIMIT_OPTION_WITH_TIES && bms_membership(root->all_baserels) == BMS_SINGLETON
		&& ordered == list_length(root->query_pathkeys);
	char	   *text;

	clauses = extract_actual_clauses(clauses, false);
	scan->parameters = NIL;
	text = psprintf("{%s,\"order\":%s,\"ordered\":%d,\"sorts\":%s,\"most\":%.0f,\"conditions\":%s}",
					scan->needs, scan->order, ordered, JSON_BOOL(root->query_pathkeys == root->sort_pathkeys),
					limited ? root->limit_tuples : 0.0, json_expressions(scan, clauses));
	return make_foreignscan(tlist, clauses, rel->relid, scan->parameters,
							list_make2(makeString(text), makeInteger(rel->userid)), NIL, NIL,
							outer);
}

/*
 * Look-ups that are asked for ahead.  A nested loop takes a row of its outer side and looks rows of its inner
 * side up by values of that one, and waits for each.  Where the loop is read to its end, each row of the
 * outer side has its turn.  So some are read before it, and Python is told by which values they will be
 * looked up, whatever filters, groups or sorts the outer side.
 */

/* An ExecProcNodeMtd: the next row of an outer side of which some have been read. */
static TupleTableSlot *
next_row(PlanState *outer)
{
	RowsAhead  *ahead = rows_ahead;

	while (outerPlanState(ahead->loop) != outer)
		ahead = ahead->next;
	if (ahead->rows == NIL)
	{
		if (!ahead->ended)
			return ahead->read(outer);
		ahead->ended = false;	/* who asks again has begun anew */
		return NULL;
	}
	ExecForceStoreMinimalTuple(linitial(ahead->rows), ahead->slot, true);
	ahead->rows = list_delete_first(ahead->rows);
	return ahead->slot;
}

/* A walker: a hash join that may stop after one row of its outer side, as its other side may be empty. */
static bool
may_be_empty(PlanState *node, void *arg)
{
	return (IsA(node, HashJoinState) && ((HashJoinState *) node)->hj_HashTable == NULL)
		|| planstate_tree_walker(node, may_be_empty, arg);
}

/* Has each row of the outer side of the scan's loop its turn, and may be read before it? */
static bool
ends(RunningScan *scan)
{
	CmdType		command = scan->node->ss.ps.state->es_plannedstmt->commandType;

	/* Rows to be changed are read as they are written */
	return scan->loop && (command == CMD_SELECT || command == CMD_INSERT)
		&& (scan->of_loop.reads == READS_ALL
			|| (scan->of_loop.reads == READS_MORE && !may_be_empty(scan->of_loop.top, NULL)));
}

/* Have the loop that looks rows up by the scan read ahead. */
static RowsAhead *
begin_ahead(RunningScan *scan)
{
	EState	   *state = scan->node->ss.ps.state;
	MemoryContext before = MemoryContextSwitchTo(state->es_query_cxt);
	PlanState  *outer = outerPlanState(scan->loop);
	RowsAhead  *ahead = palloc0(sizeof(RowsAhead));

	ahead->slot = ExecInitExtraTupleSlot(state, ExecGetResultType(outer), ExecGetResultSlotOps(outer, NULL));
	MemoryContextSwitchTo(before);
	ahead->loop = scan->loop;
	ahead->read = outer->ExecProcNode;
	outer->ExecProcNode = next_row;
	ahead->next = rows_ahead;
	return rows_ahead = ahead;
}

/* The values that the inner side gets of a row of the outer side, as nodeNestloop.c gives them. */
static void
set_parameters(NestLoopState *loop, TupleTableSlot *row)
{
	ListCell   *cell;

	foreach(cell, ((NestLoop *) loop->js.ps.plan)->nestParams)
	{
		NestLoopParam *parameter = lfirst(cell);
		ParamExecData *given = &loop->js.ps.ps_ExprContext->ecxt_param_exec_vals[parameter->paramno];

		given->value = slot_getattr(row, parameter->paramval->varattno, &given->isnull);
	}
}

/* A MemoryContextCallback, since after an error PostgreSQL ends no scan, and Python would keep its rows. */
static void
end_scan(void *argument)
{
	RunningScan *scan = argument;
	RowsAhead **link = &rows_ahead;

	while (scan->ahead && *link != scan->ahead)
		link = &(*link)->next;
	if (scan->ahead)
		*link = scan->ahead->next;
	(void) call_package("end_scan", "L", scan->number);
}

/* EndForeignScan: the memory of the query, which goes next, takes the scan along. */
static void
pipedrive_end_scan(ForeignScanState *node)
{
}

/* BeginForeignScan: Multicorn takes no part.  It would leave dropped columns as they were in memory. */
static void
pipedrive_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	MemoryContext query = node->ss.ps.state->es_query_cxt;
	TupleDesc	desc = RelationGetDescr(node->ss.ss_currentRelation);
	RunningScan *scan = palloc0(sizeof(RunningScan));
	int			columns = 0;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan->number = ++last_number;
	scan->began = pipedrive_fdw_query_began();
	scan->parameters = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	scan->input = TupleDescGetAttInMetadata(desc);
	scan->live = palloc(desc->natts * sizeof(int));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped)
			scan->live[columns++] = i;
		/* Named like one of PostgreSQL's own; its functions may call Python while the rows are made */
		if (column->atttypid >= FirstNormalObjectId)
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
							errmsg("pipedrive option: column %s of %s: type %s is not supported",
								   NameStr(column->attname), RelationGetRelationName(node->ss.ss_currentRelation),
								   format_type_be_qualified(column->atttypid)),
							errhint("Domains are not supported.")));
	}
	scan->batch = AllocSetContextCreate(query, "rows of Pipedrive", ALLOCSET_DEFAULT_SIZES);
	scan->scratch = AllocSetContextCreate(query, "row of Pipedrive", ALLOCSET_DEFAULT_SIZES);
	ask_table(RelationGetRelid(node->ss.ss_currentRelation), SCAN_USER(plan), "begin",
			  psprintf("\"scan\":" INT64_FORMAT ",\"plan\":%s", scan->number, SCAN_REQUEST(plan)));
	scan->node = node;
	scan->forget.func = end_scan;
	scan->forget.arg = scan;
	MemoryContextRegisterResetCallback(query, &scan->forget);
	node->fdw_state = scan;
}

/* The values of a scan's expressions, as JSON. */
static char *
json_values(RunningScan *scan, ExprContext *context)
{
	List	   *values = NIL;
	ListCell   *cell;

	foreach(cell, scan->parameters)
	{
		ExprState  *parameter = lfirst(cell);
		bool		isnull;
		Datum		value = ExecEvalExpr(parameter, context, &isnull);

		values = lappend(values, json_value(exprType((Node *) parameter->expr), value, isnull));
	}
	return joined(values, '[', ']');
}

/* The values by which the scan will look up the rows that are read ahead now; null where none are. */
static char *
json_values_ahead(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;
	RowsAhead  *ahead;
	MemoryContext before;
	ExprContext *context;
	List	   *values = NIL;

	if (!ends(scan))
		return "null";
	ahead = scan->ahead = scan->ahead ? scan->ahead : begin_ahead(scan);
	before = MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);
	context = ahead->loop->js.ps.ps_ExprContext;
	while (list_length(ahead->rows) < scan->keys_ahead && !ahead->ended)
	{
		TupleTableSlot *row;

		/* The present row stands where the next one will be read */
		if (context->ecxt_outertuple != ahead->slot)
			context->ecxt_outertuple = ExecCopySlot(ahead->slot, context->ecxt_outertuple);
		row = ahead->read(outerPlanState(ahead->loop));
		ahead->ended = TupIsNull(row);
		if (!ahead->ended)
		{
			ahead->rows = lappend(ahead->rows, ExecCopySlotMinimalTuple(row));
			set_parameters(ahead->loop, row);
			MemoryContextSwitchTo(before);	/* the values are not kept until the query ends */
			values = lappend(values, json_values(scan, node->ss.ps.ps_ExprContext));
			MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);
		}
		set_parameters(ahead->loop, ahead->slot);
	}
	MemoryContextSwitchTo(before);
	return joined(values, '[', ']');
}

/* What Python is to scan, with the values that are known now. */
static char *
scan_members(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	Oid			relation = RelationGetRelid(node->ss.ss_currentRelation);
	EState	   *state = node->ss.ps.state;
	char	   *ahead = json_values_ahead(node);

	return psprintf("\"scan\":" INT64_FORMAT
					",\"command\":%u,%s,\"reads\":%d,\"plan\":%s,\"values\":%s,\"ahead\":%s",
					scan->number, state->es_snapshot->curcid,
					json_caller(SCAN_USER(plan), GetForeignServerIdByRelId(relation), state), scan->reads,
					SCAN_REQUEST(plan), json_values(scan, node->ss.ps.ps_ExprContext), ahead);
}

/*
 * The JSON value at "*at" as an input function reads it: the text of a string, else what is written.  "*at" moves
 * behind it and the comma or bracket that follows.  The value is made in its place, because it may be a large file.
 */
static char *
next_cell(char **at)
{
	static const char escapes[] = "bfnrt",
				meant[] = "\b\f\n\r\t";
	char	   *from = *at,
			   *end = from,
			   *cell,
			   *to;
	const char *escape;
	int			depth = 0;

	for (; depth > 0 || (*end != ',' && *end != ']'); end++)
		if (*end == '"')
			for (end += 1 + strcspn(end + 1, "\"\\"); *end != '"';)
				end += 2 + strcspn(end + 2, "\"\\");
		else
			depth += (*end == '{' || *end == '[') - (*end == '}' || *end == ']');
	*at = end + 1;
	if (*from != '"')
	{
		*end = '\0';
		return from;
	}
	cell = to = ++from;
	end--;
	while (from < end)
	{
		size_t		plain = strcspn(from, "\"\\");

		if (to < from)
			memmove(to, from, plain);
		to += plain;
		from += plain;
		if (from == end)
			break;
		escape = strchr(escapes, *++from);
		*to++ = *from == 'u' ? strtol((char[]) {from[3], from[4], 0}, NULL, 16)	/* of \u00XX */
			: escape ? meant[escape - escapes] : *from;
		from += *from == 'u' ? 5 : 1;
	}
	*to = '\0';
	return cell;
}

/* The member "custom_fields" of a record.  So PostgreSQL need not read them twice. */
static Datum
custom_fields(Datum record, bool *isnull)
{
	JsonbContainer *root = &DatumGetJsonbP(record)->root;
	JsonbValue	found;

	*isnull = getKeyJsonValueFromContainer(root, "custom_fields", strlen("custom_fields"), &found) == NULL
		|| found.type == jbvNull;
	return *isnull ? (Datum) 0 : JsonbPGetDatum(JsonbValueToJsonb(&found));
}

/*
 * Tuples of what Python answers: the number of rows, how many keys of a loop it wants to know ahead, the places of
 * the cells, and each row as a JSON array of them.  "4=2" is the place of the custom fields of the record at 2.
 * Nobody else reads the text, which is written over.
 */
static void
make_tuples(RunningScan *scan, char *text)
{
	AttInMetadata *input = scan->input;
	int			columns = input->tupdesc->natts,
				width = 0,
				fields = 0,
				record = 0,
			   *place = palloc(columns * sizeof(int));
	Datum	   *values = palloc0(columns * sizeof(Datum));
	bool	   *nulls = palloc(columns * sizeof(bool));
	char	   *at;

	scan->count = strtol(text, &at, 10);
	scan->keys_ahead = strtol(at, &at, 10);
	while (*at == ' ')
	{
		int			c = scan->live[strtol(at, &at, 10)];

		if (*at == '=')
		{
			fields = c;
			record = scan->live[strtol(at + 1, &at, 10)];
		}
		else
			place[width++] = c;
	}
	scan->rows = palloc(scan->count * sizeof(HeapTuple));
	for (int row = 0; row < scan->count; row++)
	{
		MemoryContext batch = MemoryContextSwitchTo(scan->scratch);

		MemoryContextReset(scan->scratch);
		memset(nulls, true, columns * sizeof(bool));
		at += width ? 1 : 2;
		for (int i = 0; i < width; i++)
		{
			int			c = place[i];
			char	   *cell;

			nulls[c] = *at == 'n';
			cell = next_cell(&at);
			if (!nulls[c])
				values[c] = InputFunctionCall(&input->attinfuncs[c], cell, input->attioparams[c],
											  input->atttypmods[c]);
		}
		if (fields != record && !nulls[record])
			values[fields] = custom_fields(values[record], &nulls[fields]);
		MemoryContextSwitchTo(batch);
		scan->rows[row] = heap_form_tuple(input->tupdesc, values, nulls);
		/* It has the header of a datum, whose length would be shown as xmin */
		memset(&scan->rows[row]->t_data->t_choice, 0, sizeof(HeapTupleFields));
	}
}

/* A before_shmem_exit_callback, too: a session that ends tells Python. */
static void
retake_gil(int code, Datum thread)
{
	take_gil(DatumGetPointer(thread));
}

/* Have arrays read NULL as NULL, whatever array_nulls says, until AtEOXact_GUC() ends the level that is returned. */
static int
read_array_nulls(void)
{
	int			nest = NewGUCNestLevel();

	(void) set_config_option("array_nulls", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest;
}

/* The next rows that Python gives.  While they become tuples, its other threads receive pages. */
static void
read_rows(RunningScan *scan, const char *text)
{
	MemoryContext before = MemoryContextSwitchTo(scan->batch);
	int			nest = read_array_nulls();
	Datum		thread;

	MemoryContextReset(scan->batch);
	scan->given = 0;
	thread = PointerGetDatum(release_gil());
	PG_ENSURE_ERROR_CLEANUP(retake_gil, thread);
	{
		make_tuples(scan, unconstify(char *, text));
	}
	PG_END_ENSURE_ERROR_CLEANUP(retake_gil, thread);
	retake_gil(0, thread);
	AtEOXact_GUC(true, nest);
	MemoryContextSwitchTo(before);
}

/* IterateForeignScan: Python gives some rows at a time, and none at the end. */
static TupleTableSlot *
pipedrive_iterate_scan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

	if (scan->given == scan->count && (scan->count > 0 || !scan->asked))
	{
		bool		begins = !scan->asked;

		scan->asked = true;
		scan->count = 0;
		read_rows(scan, ask_module(ERROR, begins ? "scan" : "rows", begins ? scan_members(node)
								   : psprintf("\"scan\":" INT64_FORMAT, scan->number)));
	}
	if (scan->given == scan->count)
		return ExecClearTuple(node->ss.ss_ScanTupleSlot);
	scan->taken++;
	return ExecStoreHeapTuple(scan->rows[scan->given++], node->ss.ss_ScanTupleSlot, false);
}

static void
pipedrive_rescan(ForeignScanState *node)
{
	RunningScan *scan = node->fdw_state;

	scan->asked = false;
	scan->given = scan->count = 0;
}

static bool
is_ours(PlanState *node)
{
	return IsA(node, ForeignScanState)
		&& ((ForeignScanState *) node)->fdwroutine->EndForeignScan == pipedrive_end_scan;
}

/* Note the loop at the scan by which it looks rows up, if that is begun for each row of its outer side. */
static void
note_loop(NestLoopState *loop, Taken taken)
{
	PlanState  *node = innerPlanState(loop);
	RunningScan *scan;
	ListCell   *cell;

	/* What a sub-select of the inner side gives is computed once for each row, when its turn comes */
	while (node->initPlan == NIL && (IsA(node, AggState) || IsA(node, MaterialState) || IsA(node, SortState)
									 || IS_MEMOIZE(node) || IsA(node, SubqueryScanState)))
		node = IsA(node, SubqueryScanState) ? ((SubqueryScanState *) node)->subplan : outerPlanState(node);
	if (node->initPlan != NIL || !is_ours(node))
		return;
	scan = (RunningScan *) ((ForeignScanState *) node)->fdw_state;
	foreach(cell, ((NestLoop *) loop->js.ps.plan)->nestParams)
		if (bms_is_member(((NestLoopParam *) lfirst(cell))->paramno, node->plan->extParam))
			scan->loop = loop;
	scan->of_loop = taken;
}

/* Of the rows of "state" so many are taken: note how many that are of each scan below it. */
static bool
note_reads(PlanState *state, void *above)
{
	Taken		taken = *(Taken *) above,
				some = {READS_SOME, taken.top};
	RunningScan *scan;
	AggStrategy strategy;

	if (state == NULL)
		return false;
	switch (nodeTag(state))
	{
		case T_ForeignScanState:
			if (!is_ours(state))
				break;
			scan = (RunningScan *) ((ForeignScanState *) state)->fdw_state;
			scan->reads = taken.reads;
			if (query_began == 0)
				query_began = scan->began;
			break;
		case T_SortState:
		case T_HashState:
			taken.reads = READS_ALL;
			break;
		case T_AggState:
			strategy = ((AggState *) state)->aggstrategy;
			if (strategy == AGG_PLAIN || strategy == AGG_HASHED)
				taken.reads = READS_ALL;
			break;
		case T_WindowAggState:
			taken.reads = STOPS_EARLY(state->plan) ? READS_SOME : taken.reads;
			break;
		case T_SetOpState:
			/* From PostgreSQL 18 on one of two sorted sides may be left early */
			taken.reads = ((SetOp *) state->plan)->strategy == SETOP_SORTED ? READS_SOME : READS_ALL;
			break;
		case T_NestLoopState:
			note_loop((NestLoopState *) state, taken);
			return note_reads(outerPlanState(state), &taken) || note_reads(innerPlanState(state), &some);
		case T_HashJoinState:
			/* One row of the outer side may be taken before the other turns out to be empty */
			taken.reads = Min(taken.reads, READS_MORE);
			return note_reads(outerPlanState(state), &taken) || note_reads(innerPlanState(state), &some);
		case T_LimitState:
		case T_MergeJoinState:
		case T_RecursiveUnionState:
		case T_CustomScanState:
			taken.reads = READS_SOME;
			break;
		default:
			break;
	}
	return planstate_tree_walker(state, note_reads, &taken);
}

/*
 * ExecutorRun_hook: Python may ask for a page before it is used where each row will be taken.  What a client
 * takes (a cursor in pieces, a loop of PL/pgSQL) is known only when a query runs.
 */
static void
run_query(QueryDesc *query, ScanDirection direction, uint64 count RUN_ONCE)
{
	bool		all = count == 0 && ScanDirectionIsForward(direction);
	TimestampTz outer = query_began;	/* of a query whose function runs this one */
	Taken		taken = {all ? READS_ALL : READS_SOME, query->planstate},
				some = {READS_SOME, query->planstate};
	List	   *subplans = query->estate->es_subplanstates;

	PG_TRY();
	{
		note_reads(query->planstate, &taken);
		/* A subplan may stop anywhere.  It stands behind those that it contains. */
		for (int i = list_length(subplans) - 1; i >= 0; i--)
			note_reads(list_nth(subplans, i), &some);
		(next_run_hook ? next_run_hook : standard_ExecutorRun) (query, direction, count AND_ONCE);
	}
	PG_FINALLY();
	{
		query_began = outer;
	}
	PG_END_TRY();
}

static void
explain_lines(const char *text, ExplainState *es)
{
	char	   *rest = unconstify(char *, receivable(text)),
			   *line;
	List	   *lines = NIL;

	while ((line = strsep(&rest, "\n")) != NULL)
	{
		if (es->format == EXPLAIN_FORMAT_TEXT)
			ExplainPropertyText("Multicorn", line, es);
		lines = lappend(lines, line);
	}
	if (es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyList("Multicorn", lines, es);
}

/* ExplainForeignScan: Multicorn evaluates what has no value yet, and gives one key several times. */
static void
pipedrive_explain_scan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	RunningScan *scan = node->fdw_state;
	List	   *context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, NIL);
	List	   *expressions = NIL;
	ListCell   *cell;
	char	   *members;

	foreach(cell, plan->fdw_exprs)
		expressions = lappend(expressions, quoted(deparse_expression(lfirst(cell), context, false, false)));
	members = psprintf("\"scan\":" INT64_FORMAT ",\"rows\":" INT64_FORMAT
					   ",\"verbose\":%s,\"plan\":%s,\"expressions\":%s",
					   scan ? scan->number : 0, scan ? scan->taken : 0, JSON_BOOL(es->verbose), SCAN_REQUEST(plan),
					   joined(expressions, '[', ']'));
	explain_lines(ask_table(RelationGetRelid(node->ss.ss_currentRelation), SCAN_USER(plan), "explain",
							members), es);
}

/*
 * AddForeignUpdateTargets: Multicorn carries the row id under the name of its column, where RETURNING may
 * have put something else.  Here the plan carries the scanned row itself.
 */
static void
#if PG_VERSION_NUM >= 140000
pipedrive_add_targets(PlannerInfo *root, Index relid, RangeTblEntry *entry, Relation relation)
{
	Var		   *row = makeVar(relid, InvalidAttrNumber, RECORDOID, -1, InvalidOid, 0);

	add_row_identity_var(root, row, relid, SCANNED_ROW);
}
#else
pipedrive_add_targets(Query *parse, RangeTblEntry *entry, Relation relation)
{
	Expr	   *row = (Expr *) makeWholeRowVar(entry, parse->resultRelation, 0, false);

	parse->targetList = lappend(parse->targetList,
								makeTargetEntry(row, list_length(parse->targetList) + 1, SCANNED_ROW, true));
}
#endif

/* PlanForeignModify: Python refuses what is not possible before anything is sent, and explains the rest. */
static List *
pipedrive_plan_modify(PlannerInfo *root, ModifyTable *plan, Index target, int subplan)
{
	Oid			relation = planner_rt_fetch(target, root)->relid;
	Bitmapset  *columns = plan->operation == CMD_UPDATE ? UPDATED_COLUMNS(root, target) : NULL;
	const char *lines = ask_table(relation, InvalidOid, "plan modify",
								  psprintf("\"verb\":\"%s\"", VERB(plan->operation)));

	return list_make2(makeString(pstrdup(lines)), makeString(json_columns(relation, columns)));
}

/* A question about a write, which also says who writes. */
static const char *
ask_write(EState *estate, ResultRelInfo *target, const char *kind, const char *members)
{
	Oid			relation = RelationGetRelid(target->ri_RelationDesc);
	Oid			user = WRITE_USER(target, estate);
	int64		number = ((RunningWrite *) target->ri_FdwState)->number;

	members = psprintf("\"write\":" INT64_FORMAT ",%s%s", number,
					   json_caller(user, GetForeignServerIdByRelId(relation), estate), members);
	return ask_table(relation, user, kind, members);
}

/* EndForeignModify: what waits for the end of the statement is sent. */
static void
pipedrive_end_modify(EState *estate, ResultRelInfo *target)
{
	if (target->ri_FdwState)	/* none for EXPLAIN alone */
		ask_write(estate, target, "flush", "");
}

/* ExplainForeignModify: what EXPLAIN ANALYZE shows has been sent. */
static void
pipedrive_explain_modify(ModifyTableState *state, ResultRelInfo *target, List *private, int subplan,
						 ExplainState *es)
{
	pipedrive_end_modify(state->ps.state, target);
	explain_lines(strVal(linitial(private)), es);
}

/* Has the relation triggers that fire before the statement ends and may look at what it has written? */
static bool
fires_after(ResultRelInfo *target)
{
	TriggerDesc *triggers = target->ri_TrigDesc;

	return triggers && (triggers->trig_insert_after_row || triggers->trig_insert_after_statement
						|| triggers->trig_update_after_row || triggers->trig_update_after_statement
						|| triggers->trig_delete_after_row || triggers->trig_delete_after_statement);
}

/* BeginForeignModify: Multicorn takes no part.  It would take row ids from elsewhere, and keep memory. */
static void
pipedrive_begin_modify(ModifyTableState *state, ResultRelInfo *target, List *private, int subplan, int eflags)
{
	RunningWrite *write = palloc0(sizeof(RunningWrite));
	Relation	relation = target->ri_RelationDesc;
	ResultRelInfo *root = state->rootResultRelInfo ? state->rootResultRelInfo : state->resultRelInfo;
	Oid			type = relation->rd_rel->reltype;
	ModifyTable *plan = (ModifyTable *) state->ps.plan;
	bool		deferred;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	/* Does nobody wait for the rows as Pipedrive answers them, or reads the table before the statement ends? */
	deferred = plan->returningLists == NIL && !fires_after(target) && !fires_after(root);
	write->number = ++last_number;
	write->operation = state->operation;
	write->row = ExecFindJunkAttributeInTlist(MODIFIED_ROWS(plan, subplan)->targetlist, SCANNED_ROW);
	write->scanned = ExecInitExtraTupleSlot(state->ps.state, RelationGetDescr(relation), &TTSOpsVirtual);
	fmgr_info(F_JSON_POPULATE_RECORD, &write->populate);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSON_POPULATE_RECORD, type,
											 list_make1(makeNullConst(type, -1, InvalidOid)),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL), &write->populate);
	target->ri_FdwState = write;
	ask_write(state->ps.state, target, "begin write",
			  psprintf(",\"command\":%u,\"columns\":%s,\"deferred\":%s", state->ps.state->es_snapshot->curcid,
					   strVal(lsecond(private)), JSON_BOOL(deferred)));
}

/* A row as one more member of JSON, under the names that the columns of its table have now. */
static Datum
add_row(char **members, const char *name, Relation relation, TupleTableSlot *slot)
{
	Datum		row;

	slot_getallattrs(slot);
	row = HeapTupleGetDatum(heap_form_tuple(RelationGetDescr(relation), slot->tts_values, slot->tts_isnull));
	*members = psprintf("%s,\"%s\":%s", *members, name, json_value(RECORDOID, row, false));
	return row;
}

/*
 * ExecForeignInsert, -Update, -Delete: Python gets the row as it was scanned and as it shall be, and answers
 * what it is then.
 */
static TupleTableSlot *
pipedrive_write_row(EState *estate, ResultRelInfo *target, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	RunningWrite *write = target->ri_FdwState;
	MemoryContext before = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	Datum		row = (Datum) 0;
	bool		isnull = true;
	const char *answer;
	bool		written;
	char	   *members = psprintf(",\"verb\":\"%s\"", VERB(write->operation));

	/* PostgreSQL checks views when the row is written, and ROLLBACK cannot take it back; policies of a parent never */
	for (int kind = WCO_VIEW_CHECK; target->ri_WithCheckOptions != NIL && kind <= WCO_RLS_UPDATE_CHECK; kind++)
		ExecWithCheckOptions(kind, target, slot, estate);
	if (write->row > 0)
		row = ExecGetJunkAttribute(plan_slot, write->row, &isnull);
	if (!isnull)
	{
		ExecStoreHeapTupleDatum(row, write->scanned);
		row = add_row(&members, "old", target->ri_RelationDesc, write->scanned);
		/* PostgreSQL moves no row out of a foreign partition, and does not check that the row stays in it */
		if (write->operation == CMD_UPDATE && ExecPartitionCheck(target, write->scanned, estate, false))
			(void) ExecPartitionCheck(target, slot, estate, true);
	}
	if (write->operation != CMD_DELETE)
		row = add_row(&members, "new", target->ri_RelationDesc, slot);
	answer = ask_write(estate, target, "write", members);
	written = *answer != '\0';	/* else it was before */
	if (written)
	{
		int			nest = read_array_nulls();
		HeapTuple	tuple = palloc0(sizeof(HeapTupleData));

		row = FunctionCall2(&write->populate, row, CStringGetTextDatum(answer));
		AtEOXact_GUC(true, nest);
		/* With a tuple, RETURNING gives system columns, too */
		tuple->t_data = DatumGetHeapTupleHeader(row);
		tuple->t_len = HeapTupleHeaderGetDatumLength(tuple->t_data);
		ItemPointerSetInvalid(&tuple->t_self);
		memset(&tuple->t_data->t_choice, 0, sizeof(HeapTupleFields));
		ExecForceStoreHeapTuple(tuple, slot, false);
	}
	MemoryContextSwitchTo(before);
	return written ? slot : NULL;
}

/* BeginForeignInsert: rows of COPY and of a partitioned table have no plan, and Multicorn crashes at them. */
static void
pipedrive_begin_insert(ModifyTableState *state, ResultRelInfo *target)
{
	const char *name = RelationGetRelationName(target->ri_RelationDesc);

	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg(state->ps.plan ? "pipedrive write: no row can be routed into the partition %s"
						   : "pipedrive write: COPY into %s is not possible", name),
					errhint(state->ps.plan ? "INSERT INTO %s itself."
							: "COPY into a temporary table, then INSERT INTO %s SELECT from it.", name)));
}

/* IsForeignRelUpdatable: whoever lists all tables gets no error; PlanForeignModify has the words for it. */
static int
pipedrive_is_updatable(Relation relation)
{
	Oid			id = RelationGetRelid(relation);

	return has_columns(id) && has_wrapper(GetForeignServerIdByRelId(id), DEBUG1)
		? atoi(ask_table(id, InvalidOid, "updatable", "")) : 0;
}

/* ImportForeignSchema: Multicorn makes commands of what Python defines. */
static List *
pipedrive_import(ImportForeignSchemaStmt *statement, Oid server)
{
	List	   *commands;

	(void) has_wrapper(server, ERROR);
	ask("import", InvalidOid, InvalidOid, json_caller(InvalidOid, server, NULL));
	commands = multicorn.ImportForeignSchema(statement, server);
	answered(ERROR);
	return commands;
}

/*
 * A step of the transaction, of which Python is told once.  Multicorn tells each object, and ends the server
 * where one could not be made.  An error would end it, too, when it is decided how the transaction ends.
 */
static void
tell(int level, const char *step)
{
	MemoryContext before = CurrentMemoryContext;
	const char *report;

	if (!asked_in_transaction)
		return;
	/* Of a savepoint that is released, PostgreSQL keeps memory that is used until the transaction ends */
	MemoryContextSwitchTo(AllocSetContextCreate(before, "step of a transaction", ALLOCSET_SMALL_SIZES));
	report = ask_module(level, step, "");
	if (*report)
		ereport(WARNING, (errmsg_internal("%s", report)));
	MemoryContextDelete(MemoryContextSwitchTo(before));
}

static void
end_transaction(XactEvent event, void *argument)
{
	bool		aborted = event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT;

	/* PostgreSQL checks it only after this callback; a transaction that fails must have sent nothing */
	if (event == XACT_EVENT_PRE_COMMIT && asked_in_transaction)
		PreCommit_CheckForSerializationFailure();
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		tell(ERROR, event == XACT_EVENT_PRE_COMMIT ? "pre commit" : "pre prepare");
	else if (aborted || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PARALLEL_COMMIT
			 || event == XACT_EVENT_PREPARE)
	{
		tell(WARNING, aborted ? "rollback" : "commit");
		asked_in_transaction = false;
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
		tell(ERROR, "release");
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		tell(WARNING, "rollback to");
}

/*
 * object_access_hook: a user mapping goes, with its server or by itself.  Its options are still there: Python
 * notes them, and removes at COMMIT what the files of the server keep of it.
 */
static void
pipedrive_object_access(ObjectAccessType access, Oid class, Oid object, int part, void *argument)
{
	HeapTuple	tuple;
	ForeignServer *server;
	Oid			handler;
	bool		ours;

	if (next_access_hook)
		next_access_hook(access, class, object, part, argument);
	if (access != OAT_DROP || class != UserMappingRelationId)
		return;
	tuple = SearchSysCache1(USERMAPPINGOID, ObjectIdGetDatum(object));
	if (!HeapTupleIsValid(tuple))
		return;					/* another session has dropped it; PostgreSQL says so next */
	server = GetForeignServer(((Form_pg_user_mapping) GETSTRUCT(tuple))->umserver);
	handler = GetForeignDataWrapper(server->fdwid)->fdwhandler;
	/* Nobody else can create in our schema; the handler of another wrapper must not be called */
	ours = OidIsValid(handler)
		&& get_func_namespace(handler) == get_namespace_oid("pipedrive_internal", true);
	if (ours && load_package())
		ask_module(ERROR, "dropped", json_account(((Form_pg_user_mapping) GETSTRUCT(tuple))->umuser, server));
	else if (ours)
		ereport(WARNING, (errmsg("pipedrive state: the files of dropped user mappings could not be removed"),
						  errdetail("The Python package pipedrive_fdw cannot be loaded.")));
	ReleaseSysCache(tuple);
}

/* The validator: names, places and values of options, when they are given. */
Datum
pipedrive_fdw_validator(PG_FUNCTION_ARGS)
{
	Oid			user = GetUserId();
	bool		reads_files = has_privs_of_role(user, get_role_oid("pg_read_server_files", false));

	ask_module(ERROR, "validate", psprintf("\"catalog\":%s,\"role\":%s,\"reads_files\":%s,\"given\":%s",
									quoted(get_rel_name(PG_GETARG_OID(1))),
									quoted(GetUserNameFromId(user, false)), JSON_BOOL(reads_files),
									json_options(untransformRelOptions(PG_GETARG_DATUM(0)))));
	PG_RETURN_VOID();
}

/* ask(server oid, request jsonb): with the caller's user mapping. */
Datum
pipedrive_fdw_ask(PG_FUNCTION_ARGS)
{
	Oid			id = PG_GETARG_OID(0);
	ForeignServer *server = GetForeignServer(id);
	const char *found;

	if (!DatumGetBool(DirectFunctionCall2(has_server_privilege_id, id, CStringGetTextDatum("USAGE"))))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, server->servername);
	/* To a server of another wrapper its secrets must not be sent */
	if (GetFdwRoutineByServerId(id)->ImportForeignSchema != pipedrive_import)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("pipedrive option: %s is no server of Pipedrive", server->servername),
						errhint("SELECT name FROM pipedrive_internal.servers shows those that there are.")));
	found = ask_module(ERROR, "ask", psprintf("\"command\":%u,%s,%s,\"read_only\":%s,\"request\":%s",
											  ActiveSnapshotSet() ? GetActiveSnapshot()->curcid : 0,
											  json_caller(InvalidOid, id, NULL),
											  json_account(GetUserId(), server), JSON_BOOL(XactReadOnly),
											  quoted(JsonbToCString(NULL, &PG_GETARG_JSONB_P(1)->root, 0))));
	if (!*found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(found)));
}

void
_PG_init(void)
{
	void	   *library;
	PGFunction	handler;

	/* Multicorn would end it without a word */
	if (process_shared_preload_libraries_in_progress)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("pipedrive_fdw cannot be loaded when the server starts"),
						errhint("Remove it from shared_preload_libraries. Each session loads it at the first use.")));
	handler = load_external_function("$libdir/multicorn", "multicorn_handler", true, &library);
	FIND(run_python, "PyRun_SimpleString");
	FIND(import_module, "PyImport_ImportModule");
	FIND(call_method, "PyObject_CallMethod");
	FIND(print_error, "PyErr_Print");
	FIND(release_object, "Py_DecRef");
	FIND(release_gil, "PyEval_SaveThread");
	FIND(take_gil, "PyEval_RestoreThread");
	multicorn = *(FdwRoutine *) DatumGetPointer(DirectFunctionCall1(handler, (Datum) 0));
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
	next_access_hook = object_access_hook;
	object_access_hook = pipedrive_object_access;
	next_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
#ifdef M_ARENA_MAX
	/* Otherwise each thread that receives an answer keeps memory of its own for the largest one */
	(void) mallopt(M_ARENA_MAX, 1);
#endif
}

Datum
pipedrive_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = pipedrive_get_rel_size;
	routine->GetForeignPaths = pipedrive_get_paths;
	routine->GetForeignPlan = pipedrive_get_plan;
	routine->BeginForeignScan = pipedrive_begin_scan;
	routine->IterateForeignScan = pipedrive_iterate_scan;
	routine->ReScanForeignScan = pipedrive_rescan;
	routine->EndForeignScan = pipedrive_end_scan;
	routine->ExplainForeignScan = pipedrive_explain_scan;
	routine->AddForeignUpdateTargets = pipedrive_add_targets;
	routine->PlanForeignModify = pipedrive_plan_modify;
	routine->ExplainForeignModify = pipedrive_explain_modify;
	routine->BeginForeignModify = pipedrive_begin_modify;
	routine->ExecForeignInsert = pipedrive_write_row;
	routine->ExecForeignUpdate = pipedrive_write_row;
	routine->ExecForeignDelete = pipedrive_write_row;
	routine->EndForeignModify = pipedrive_end_modify;
	routine->BeginForeignInsert = pipedrive_begin_insert;
	routine->IsForeignRelUpdatable = pipedrive_is_updatable;
	routine->ImportForeignSchema = pipedrive_import;
	PG_RETURN_POINTER(routine);
}
