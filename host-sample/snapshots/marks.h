/*
 * marks.h - the places in a statement's text where a name may be told its schema.
 *
 * A mark is a byte that SQL has no use for. Where the schema of the tables is given, it makes way
 * for what is said here, and for nothing where it is not: then the search_path leads to everything,
 * to a temporary table before all others, and before pg_catalog to what is in a schema that the
 * path names before it.
 */
#ifndef SNAPSHOT_MARKS_H
#define SNAPSHOT_MARKS_H

#define MARK_SCHEMA       "\001" /* the schema's name, quoted, and a dot */
#define MARK_CATALOG      "\002" /* pg_catalog and a dot */
#define MARK_OPERATOR     "\003" /* OPERATOR(pg_catalog. */
#define MARK_OPERATOR_END "\004" /* ) */
#define MARK_ESCAPES      "\005" /* E, before a literal that has backslashes of its own */
#define MARK_IN_LITERAL   "\006" /* as MARK_SCHEMA, within such a literal */

#define MARKS MARK_SCHEMA MARK_CATALOG MARK_OPERATOR MARK_OPERATOR_END MARK_ESCAPES MARK_IN_LITERAL

#define TABLE(name)            MARK_SCHEMA "\"" name "\""
#define TABLE_IN_LITERAL(name) MARK_ESCAPES "'" MARK_IN_LITERAL "\"" name "\"'"
#define CATALOG                MARK_CATALOG
#define OP(name)               " " MARK_OPERATOR name MARK_OPERATOR_END " "

#endif
