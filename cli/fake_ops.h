/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up operation table for the tests of this folder: one row of each kind. */
#ifndef WEIR_CLI_FAKE_OPS_H
#define WEIR_CLI_FAKE_OPS_H

#include "cli/verbs.h"

static const char *const fake_formats[] = { "auto", "text", "csv", NULL };

static const struct weir_arg fake_add_args[] = {
	{ .name = "entry",
	  .type = WEIR_ARG_RANGE,
	  .flags = WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL,
	  .metavar = "ENTRY",
	  .help = "address, CIDR or FROM-TO" },
	{ .name = "ttl",
	  .type = WEIR_ARG_DURATION,
	  .metavar = "DURATION",
	  .help = "how long it stays" },
	{ .name = "note", .metavar = "TEXT", .help = "a note for people" },
	{ .name = "weight", .type = WEIR_ARG_UINT, .metavar = "N", .help = "a number" },
	{ .name = "quiet", .type = WEIR_ARG_BOOL, .help = "say less" },
	{ 0 },
};

static const struct weir_arg fake_member_args[] = {
	{ .name = "pool",
	  .flags = WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL,
	  .metavar = "POOL",
	  .help = "which" },
	{ .name = "tag", .flags = WEIR_ARG_MANY, .metavar = "TAG", .help = "as many as you like" },
	{ .name = "word", .type = WEIR_ARG_WORDS, .metavar = "WORD", .help = "once for each" },
	{ 0 },
};

static const struct weir_arg fake_list_args[] = {
	{ .name = "match", .metavar = "X", .help = "only what fits" },
	{ .name = "limit",
	  .type = WEIR_ARG_UINT,
	  .metavar = "N",
	  .help = "at most so many",
	  .fallback = "1000" },
	{ 0 },
};

static const struct weir_arg fake_import_args[] = {
	{ .name = "list", .flags = WEIR_ARG_REQUIRED, .metavar = "NAME", .help = "which list" },
	{ .name = "format",
	  .type = WEIR_ARG_CHOICE,
	  .help = "format of the file",
	  .choices = fake_formats,
	  .fallback = "auto" },
	{ 0 },
};

static const struct weir_arg fake_interface_args[] = {
	{ .name = "interface",
	  .flags = WEIR_ARG_REQUIRED | WEIR_ARG_POSITIONAL,
	  .metavar = "IF",
	  .help = "name of the interface" },
	{ 0 },
};

static const struct weir_op fake_ops[] = {
	{ .name = "status", .summary = "Show what there is", .example = "status" },
	{ .name = "block.add",
	  .summary = "Block an address",
	  .kind = WEIR_OP_WRITE,
	  .role = WEIR_ROLE_OPERATOR,
	  .args = fake_add_args,
	  .example = "block add 192.0.2.0/24 --ttl 10m" },
	{ .name = "block.list", .summary = "Show entries", .args = fake_list_args },
	{ .name = "block.import",
	  .summary = "Read a list",
	  .kind = WEIR_OP_UPLOAD,
	  .args = fake_import_args,
	  .upload = "a list of addresses" },
	{ .name = "block.export", .summary = "Write a list" },
	{ .name = "interface.attach",
	  .summary = "Watch an interface",
	  .kind = WEIR_OP_WRITE,
	  .args = fake_interface_args },
	{ .name = "pool.list", .summary = "Show pools" },
	{ .name = "pool.member.add",
	  .summary = "Add a member",
	  .kind = WEIR_OP_WRITE,
	  .args = fake_member_args },
	{ .name = "pool.member.del", .summary = "Delete a member", .kind = WEIR_OP_WRITE },
};

static const struct weir_op *fake_op_at(size_t index)
{
	return index < sizeof(fake_ops) / sizeof(fake_ops[0]) ? &fake_ops[index] : NULL;
}

static const struct weir_local fake_locals[] = {
	{ .op = { .name = "check", .summary = "Check a file" }, .place = WEIR_VERB_LOCAL },
	{ .op = { .name = "status", .summary = "not shown" }, .place = WEIR_VERB_FALLBACK },
	{ .run = NULL },
};

#endif
