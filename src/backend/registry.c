/* SPDX-License-Identifier: MIT */
#include "backend/registry.h"

#include <string.h>

/* The one place that knows which backends this build has: src/backend/meson.build defines
 * BACKEND_NAME for each. Those that it lacks stay listed, with the reason. */

#define NOT_BUILT(type_, name_, summary_, missing_)                                                \
	static const struct backend_type type_ = {                                                 \
		.name = (name_),                                                                   \
		.summary = (summary_),                                                             \
		.missing = (missing_),                                                             \
	}

#define NOT_YET "it is not part of this release. Use --backend native."

#ifdef BACKEND_NATIVE
extern const struct backend_type backend_native;
#else
NOT_BUILT(backend_native, "native", "Linux namespaces on this machine, no daemon",
	  "this build was configured without it. Build again with its source present.");
#endif

#ifdef BACKEND_FAKE
extern const struct backend_type backend_fake;
#endif

NOT_BUILT(backend_docker, "docker", "containers of Docker, Podman or another compatible engine",
	  NOT_YET);
NOT_BUILT(backend_go_busybox, "go_busybox", "a WebAssembly busybox, no kernel isolation needed",
	  NOT_YET);
NOT_BUILT(backend_wasm, "wasm", "any WebAssembly command module", NOT_YET);
NOT_BUILT(backend_e2b, "e2b", "sandboxes in the E2B cloud", NOT_YET);
NOT_BUILT(backend_modal, "modal", "sandboxes in the Modal cloud", NOT_YET);

const struct backend_type *const backend_registry[] = {
	&backend_native,
	&backend_docker,
	&backend_go_busybox,
	&backend_wasm,
	&backend_e2b,
	&backend_modal,
#ifdef BACKEND_FAKE
	&backend_fake,
#endif
	NULL,
};

const struct backend_type *backend_find(const char *name)
{
	for (size_t i = 0; backend_registry[i]; i++) {
		if (strcmp(backend_registry[i]->name, name) == 0)
			return backend_registry[i];
	}
	return NULL;
}
