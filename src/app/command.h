/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The sub-commands. argv[0] is the program or the sub-command's own name. Each
 * returns the process's exit code: 0; 1 for a configuration that cannot work;
 * 2 for a wrong command line. `exec` passes its command's code on instead, and
 * all that goes wrong before is 125.
 */

/* No sub-command: MCP on stdin and stdout. */
int command_serve(int argc, char **argv, char **environment);
int command_exec(int argc, char **argv, char **environment);
int command_doctor(int argc, char **argv, char **environment);
int command_cleanup(int argc, char **argv, char **environment);
int command_completion(int argc, char **argv, char **environment);
