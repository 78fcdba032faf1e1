/* SPDX-License-Identifier: MIT */
#include "backend/native/image_tar.h"

int image_tar_unpack(const struct image_request *request, char **directory, struct error *err)
{
	(void)directory;
	return error_set(err, ERROR_CONFIG,
			 "--image %.200s: this build cannot read archives. Unpack it "
			 "(mkdir root && tar -xf FILE -C root) and use --image ./root",
			 request->name);
}
