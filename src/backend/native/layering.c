/* SPDX-License-Identifier: MIT */
#include "backend/native/layering.h"

#include "backend/native/image.h"
#include "backend/native/old_kernel.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"

#include <sys/mman.h>
#include <sys/xattr.h>

bool layering_has_attributes(void)
{
	CLEANUP(cleanup_fd) int fd = memfd_create("kilntainers-probe", MFD_CLOEXEC);

	return !old_kernel_is_pretended() && fd >= 0 &&
	       fsetxattr(fd, "user.kilntainers", "y", 1, 0) == 0;
}

enum zygote_layering layering_choose(enum zygote_id_mode id_mode, const char *image)
{
	if (layering_has_attributes())
		return ZYGOTE_LAYERING_USER;
	if (id_mode == ZYGOTE_PRIVILEGED)
		return ZYGOTE_LAYERING_TRUSTED;
	/* An image of one's own has to be written to everywhere. */
	return image_is_host(image) ? ZYGOTE_LAYERING_READ_ONLY : ZYGOTE_LAYERING_USER;
}

const char *layering_caveat(enum zygote_layering layering)
{
	if (layering == ZYGOTE_LAYERING_READ_ONLY)
		return "/usr is read-only.";
	if (layering == ZYGOTE_LAYERING_USER && !layering_has_attributes())
		return "A directory of the image cannot be made again once it was removed.";
	return "";
}
