/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the operation table. */
#include "core/inside.h"
#include "features/block/block_ops.h"

#define ENTRY_ARG                                                                               \
	{                                                                                       \
		"entry", WEIR_ARG_RANGE, WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL,               \
			"ADDR|CIDR|FROM-TO", "address, CIDR or range, IPv4 or IPv6", NULL, NULL \
	}
#define LIST_ARG(text)                                               \
	{                                                            \
		"list", WEIR_ARG_STRING, 0, "NAME", text, NULL, NULL \
	}

static const struct weir_arg add_args[] = {
	ENTRY_ARG,
	{ "ttl", WEIR_ARG_DURATION, 0, "DURATION",
	  "how long it is to hold; without, until it is deleted", NULL, NULL },
	{ "note", WEIR_ARG_STRING, 0, "TEXT", "a remark, shown with the entry", NULL, NULL },
	LIST_ARG("run-time list to add it to; without, the one for single entries"),
	{ 0 },
};

static const struct weir_arg del_args[] = {
	ENTRY_ARG,
	LIST_ARG("only from this list; without, from every run-time list of the action"),
	{ 0 },
};

static const struct weir_arg list_args[] = {
	{ "match", WEIR_ARG_STRING, 0, "X",
	  "an address or network (entries around it or in it), or text of the note", NULL, NULL },
	LIST_ARG("only this list"),
	{ "limit", WEIR_ARG_UINT, 0, "N", "entries to show, at most 100000", NULL, "1000" },
	{ "offset", WEIR_ARG_UINT, 0, "N", "entries to leave out first", NULL, "0" },
	{ 0 },
};

static const struct weir_arg block_list_args[] = {
	{ "match", WEIR_ARG_STRING, 0, "X",
	  "an address or network (entries around it or in it), or text of the note", NULL, NULL },
	LIST_ARG("only this list"),
	{ "auto", WEIR_ARG_BOOL, 0, NULL,
	  "only what Weir blocked by itself: the list " WEIR_LIST_AUTO, NULL, NULL },
	{ "limit", WEIR_ARG_UINT, 0, "N", "entries to show, at most 100000", NULL, "1000" },
	{ "offset", WEIR_ARG_UINT, 0, "N", "entries to leave out first", NULL, "0" },
	{ 0 },
};

static const struct weir_arg import_args[] = {
	LIST_ARG("run-time list to import into; made when new"),
	{ "replace", WEIR_ARG_BOOL, 0, NULL, "the file is the whole list: what is not in it goes",
	  NULL, NULL },
	{ "format", WEIR_ARG_CHOICE, 0, "FORMAT", "how the file is written", block_format_names,
	  "auto" },
	{ "ttl", WEIR_ARG_DURATION, 0, "DURATION",
	  "lifetime of entries that name none; needs room in the live set", NULL, NULL },
	{ 0 },
};

/* Told of, so that who tries it gets to know why not. */
#define NO_TTL_ARG                                                                          \
	{                                                                                   \
		"ttl", WEIR_ARG_DURATION, 0, "DURATION",                                    \
			"refused: entries of a set stay until they are deleted", NULL, NULL \
	}

static const struct weir_arg set_add_args[] = {
	ENTRY_ARG,
	NO_TTL_ARG,
	{ "note", WEIR_ARG_STRING, 0, "TEXT", "a remark, shown with the entry", NULL, NULL },
	LIST_ARG("the set to add it to, made when new; without, the one for single entries"),
	{ 0 },
};

static const struct weir_arg set_import_args[] = {
	LIST_ARG("the set to import into; made when new"),
	{ "replace", WEIR_ARG_BOOL, 0, NULL, "the file is the whole set: what is not in it goes",
	  NULL, NULL },
	{ "format", WEIR_ARG_CHOICE, 0, "FORMAT", "how the file is written", block_format_names,
	  "auto" },
	NO_TTL_ARG,
	{ 0 },
};

static const struct weir_arg export_args[] = {
	LIST_ARG("only this list"),
	{ "format", WEIR_ARG_CHOICE, 0, "FORMAT", "how to write it", block_format_names, "text" },
	{ 0 },
};

static const struct weir_arg clear_args[] = {
	LIST_ARG("only this list; without, every run-time list of the action"),
	{ 0 },
};

/* Each noun has each operation: the same row but for the words. */
#define ROW(noun, action_name, verb, kind_of, role_of, args_of, text, typed, heavy) \
	static const struct weir_op noun##_##verb = {                               \
		.name = #noun "." #verb,                                            \
		.summary = text,                                                    \
		.kind = kind_of,                                                    \
		.role = role_of,                                                    \
		.args = args_of,                                                    \
		.upload = kind_of == WEIR_OP_UPLOAD ? "a list of addresses" : NULL, \
		.example = #noun " " #verb typed,                                   \
		.run = block_run_##verb,                                            \
		.closure = &block_noun_##action_name,                               \
		.is_heavy = heavy,                                                  \
	}

#define READ(noun, action_name, verb, args_of, text, typed) \
	ROW(noun, action_name, verb, WEIR_OP_READ, WEIR_ROLE_VIEWER, args_of, text, typed, NULL)
#define LOOK(noun, action_name, verb, args_of, text, typed)                                \
	ROW(noun, action_name, verb, WEIR_OP_READ, WEIR_ROLE_VIEWER, args_of, text, typed, \
	    block_is_heavy)
#define WRITE(noun, action_name, verb, args_of, text, typed) \
	ROW(noun, action_name, verb, WEIR_OP_WRITE, WEIR_ROLE_OPERATOR, args_of, text, typed, NULL)
#define UPLOAD(noun, action_name, verb, args_of, text, typed) \
	ROW(noun, action_name, verb, WEIR_OP_UPLOAD, WEIR_ROLE_OPERATOR, args_of, text, typed, NULL)

WRITE(block, deny, add, add_args, "Block an address, a CIDR or a range at once",
      " 203.0.113.0/24 --ttl 10m --note scanner");
WRITE(block, deny, del, del_args, "Take a blocked entry out again", " 203.0.113.0/24");
LOOK(block, deny, list, block_list_args, "Show what is blocked", " --match 203.0.113.7");
READ(block, deny, lists, NULL, "Show the deny lists with their sizes and hits", "");
UPLOAD(block, deny, import, import_args, "Import a deny list from a file, all or nothing",
       " feed.txt --list feed --replace");
LOOK(block, deny, export, export_args, "Export what is blocked", " --format csv");
WRITE(block, deny, clear, clear_args, "Empty the deny lists made at run time", " --list feed");
WRITE(allow, allow, add, add_args, "Always pass an address, a CIDR or a range",
      " 192.0.2.10 --note office");
WRITE(allow, allow, del, del_args, "Take an allowed entry out again", " 192.0.2.10");
LOOK(allow, allow, list, list_args, "Show what is always passed", " --match 192.0.2.10");
READ(allow, allow, lists, NULL, "Show the allow lists with their sizes and hits", "");
UPLOAD(allow, allow, import, import_args, "Import an allow list from a file, all or nothing",
       " partners.csv --list partners");
LOOK(allow, allow, export, export_args, "Export what is always passed", " --format csv");
WRITE(allow, allow, clear, clear_args, "Empty the allow lists made at run time",
      " --list partners");
WRITE(set, set, add, set_add_args, "Add an address, a CIDR or a range to a set that rules name",
      " 192.0.2.10 --list office --note printer");
WRITE(set, set, del, del_args, "Take an entry out of the sets again", " 192.0.2.10");
LOOK(set, set, list, list_args, "Show what is in the sets", " --match 192.0.2.10");
READ(set, set, lists, NULL, "Show the sets with their sizes", "");
UPLOAD(set, set, import, set_import_args, "Import a set from a file, all or nothing",
       " office.txt --list office --replace");
LOOK(set, set, export, export_args, "Export the entries of sets", " --list office");
WRITE(set, set, clear, clear_args, "Remove the sets made at run time", " --list office");

const struct weir_op *const block_ops[] = {
	&block_add,    &block_del,   &block_list, &block_lists, &block_import, &block_export,
	&block_clear,  &allow_add,   &allow_del,  &allow_list,	&allow_lists,  &allow_import,
	&allow_export, &allow_clear, &set_add,	  &set_del,	&set_list,     &set_lists,
	&set_import,   &set_export,  &set_clear,  NULL,
};
