/* SPDX-License-Identifier: MIT */
#include "app/config.h"

#include "base/fd.h"
#include "base/limits.h"

#include <string.h>
#include <unistd.h>

static int load_timeouts(struct config *config, const struct options *options, struct error *err)
{
	config->timeout_s = (uint64_t)option_number(options, OPTION_TIMEOUT);
	config->max_timeout_s = (uint64_t)option_number(options, OPTION_MAX_TIMEOUT);
	if (config->timeout_s <= config->max_timeout_s)
		return 0;
	if (option_is_given(options, OPTION_MAX_TIMEOUT))
		return error_set(err, option_error_kind(options, OPTION_MAX_TIMEOUT),
				 "--timeout (%llu) must not be above --max-timeout (%llu).",
				 (unsigned long long)config->timeout_s,
				 (unsigned long long)config->max_timeout_s);
	/* Whoever asks for a longer default means that calls may take that long. */
	config->max_timeout_s = config->timeout_s;
	return 0;
}

static int load_description(struct config *config, const struct options *options, struct error *err)
{
	bool is_flag =
		options->values[OPTION_TOOL_INSTRUCTION_OVERRIDE].source == OPTION_FROM_FLAG ||
		options->values[OPTION_EXTENDED_TOOL_INSTRUCTION].source == OPTION_FROM_FLAG;

	config->description_override = option_text(options, OPTION_TOOL_INSTRUCTION_OVERRIDE);
	config->description_extension = option_text(options, OPTION_EXTENDED_TOOL_INSTRUCTION);
	if (config->description_override && config->description_extension)
		return error_set(err, is_flag ? ERROR_USAGE : ERROR_CONFIG,
				 "Cannot use both --tool-instruction-override and "
				 "--extended-tool-instruction. Use override to replace the "
				 "description entirely, or extended to append to the backend "
				 "default.");
	return 0;
}

/* Principals are named by tokens. */
static int load_scope(struct config *config, const struct options *options, struct error *err)
{
	config->sandbox_scope = (enum sandbox_scope)option_number(options, OPTION_SANDBOX_SCOPE);
	if (config->sandbox_scope != SANDBOX_SCOPE_PRINCIPAL || config->http.has_tokens)
		return 0;
	/* Not to be passed over: everybody would find the files of everybody. */
	if (config->transport == TRANSPORT_HTTP)
		return error_set(err, option_error_kind(options, OPTION_SANDBOX_SCOPE),
				 "--sandbox-scope principal needs tokens, which tell one client "
				 "from another: give --auth-token-file.");
	if (options->values[OPTION_SANDBOX_SCOPE].source != OPTION_FROM_FLAG) {
		config->sandbox_scope = SANDBOX_SCOPE_AUTO;
		return 0;
	}
	return error_set(err, ERROR_USAGE,
			 "--sandbox-scope principal is only valid with --transport http and "
			 "tokens. In stdio mode, there is one client, and it has no name.");
}

static void load_log(struct config *config, const struct options *options,
		     enum option_command command)
{
	/* What exec and doctor print is read by a person: no news between the lines. */
	config->log_level = command == OPTION_COMMAND_SERVE ? LOG_INFO : LOG_WARNING;
	if (option_is_given(options, OPTION_LOG_LEVEL))
		config->log_level = (enum log_level)option_number(options, OPTION_LOG_LEVEL);
	config->log_format = (enum log_format)option_number(options, OPTION_LOG_FORMAT);
}

static void load_registry(struct registry_config *registry, const struct options *options)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	registry->output_limit_bytes = (uint64_t)option_number(options, OPTION_OUTPUT_LIMIT);
	registry->max_parallel = (unsigned)option_number(options, OPTION_MAX_PARALLEL);
	registry->max_running = (unsigned)option_number(options, OPTION_MAX_RUNNING);
	registry->max_creating = (unsigned)option_number(options, OPTION_MAX_CREATING);
	if (!option_is_given(options, OPTION_MAX_CREATING))
		registry->max_creating =
			LIMIT_CREATING_PER_CORE * (cores > 0 ? (unsigned)cores : 1);
	registry->max_sandboxes = (unsigned)option_number(options, OPTION_MAX_SANDBOXES);
	/* Else the backend's own default, once there is one: choose.c. */
	registry->is_pool_early = option_is_given(options, OPTION_POOL);
	if (registry->is_pool_early)
		registry->pool_size = (unsigned)option_number(options, OPTION_POOL);
	registry->max_handles = LIMIT_STDIO_HANDLES;
}

static void load_limits(struct backend_config *backend, const struct options *options)
{
	backend->memory_bytes = (uint64_t)option_number(options, OPTION_MEMORY);
	backend->cpu_milli = (uint64_t)option_number(options, OPTION_CPU);
	backend->pids = (uint64_t)option_number(options, OPTION_PIDS_LIMIT);
	backend->disk_bytes = (uint64_t)option_number(options, OPTION_DISK);
	backend->total_memory_bytes = (uint64_t)option_number(options, OPTION_TOTAL_MEMORY);
	backend->total_pids = (uint64_t)option_number(options, OPTION_TOTAL_PIDS);
	backend->allows_unlimited_memory =
		option_number(options, OPTION_ALLOW_UNLIMITED_MEMORY) != 0;
}

int config_load(struct config *config, const struct options *options, enum option_command command,
		struct error *err)
{
	memset(config, 0, sizeof(*config));
	config->backend_name = option_text(options, OPTION_BACKEND);
	config->transport = (enum transport)option_number(options, OPTION_TRANSPORT);
	config->protocol = (enum mcp_protocol)option_number(options, OPTION_PROTOCOL);
	load_log(config, options, command);
	load_registry(&config->registry, options);
	config->backend.image = option_text(options, OPTION_IMAGE);
	config->backend.shell = option_text(options, OPTION_SHELL);
	config->backend.has_network = option_number(options, OPTION_NETWORK) != 0;
	config->backend.host_excluded =
		(const char *const *)options->values[OPTION_HOST_EXCLUDE].texts;
	config->backend.host_included =
		(const char *const *)options->values[OPTION_HOST_INCLUDE].texts;
	load_limits(&config->backend, options);
	config->backend.is_for_many =
		command == OPTION_COMMAND_SERVE && config->transport == TRANSPORT_HTTP;
	if (rights_choose(&config->rights, options, err) < 0)
		return -1;
	config->backend.server_uid = config->rights.uid;
	config->backend.server_gid = config->rights.gid;
	/* What follows is the server's alone. */
	if (command == OPTION_COMMAND_EXEC || command == OPTION_COMMAND_CLEANUP)
		return 0;
	if (config->transport == TRANSPORT_HTTP &&
	    http_config_load(&config->http, options, err) < 0)
		return -1;
	if (load_timeouts(config, options, err) < 0 || load_description(config, options, err) < 0 ||
	    load_scope(config, options, err) < 0)
		return -1;
	return 0;
}

void config_raise_descriptors(struct config *config)
{
	config->backend.nofile_hard = fd_raise_limit(&config->backend.nofile_soft);
}

/* A default that is lowered is news, a wish that is lowered is a warning. */
static void lower(unsigned *cap, uint64_t most, const struct options *options, enum option_id id)
{
	if (*cap <= most)
		return;
	log_event(option_is_given(options, id) ? LOG_WARNING : LOG_INFO, "limit_lowered",
		  LOG_STRING("limit", option_table[id].name), LOG_NUMBER("asked", *cap),
		  LOG_NUMBER("value", most),
		  LOG_STRING("reason", "too few descriptors: raise the hard limit (ulimit -Hn)"));
	*cap = (unsigned)most;
}

/* Connections have what is left, but an eighth at least: waiting for a place, a client waits in
 * the kernel. Returns what they leave. */
static uint64_t fit_connections(struct config *config, const struct options *options, uint64_t have,
				uint64_t others)
{
	uint64_t most = have > others ? have - others : 0;

	if (config->http.max_connections == 0)
		return have;
	if (most < have / 8)
		most = have / 8;
	lower(&config->http.max_connections, most, options, OPTION_MAX_CONNECTIONS);
	return have - config->http.max_connections;
}

void config_fit_descriptors(struct config *config, const struct options *options)
{
	uint64_t calls = (uint64_t)config->registry.max_running * LIMIT_DESCRIPTORS_PER_CALL;
	uint64_t sandboxes =
		(uint64_t)config->registry.max_sandboxes * LIMIT_DESCRIPTORS_PER_SANDBOX;
	uint64_t have = LIMIT_DESCRIPTORS_RESERVED;

	if (config->backend.nofile_hard > 2 * LIMIT_DESCRIPTORS_RESERVED)
		have = config->backend.nofile_hard - LIMIT_DESCRIPTORS_RESERVED;
	have = fit_connections(config, options, have, calls + sandboxes);
	if (calls + sandboxes <= have)
		return;
	/* Each in proportion; one of each is worth trying. */
	calls = have * calls / (calls + sandboxes) / LIMIT_DESCRIPTORS_PER_CALL;
	sandboxes = (have - calls * LIMIT_DESCRIPTORS_PER_CALL) / LIMIT_DESCRIPTORS_PER_SANDBOX;
	lower(&config->registry.max_running, calls > 0 ? calls : 1, options, OPTION_MAX_RUNNING);
	lower(&config->registry.max_sandboxes, sandboxes > 0 ? sandboxes : 1, options,
	      OPTION_MAX_SANDBOXES);
}
