/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only a whole section, or those before it, can tell.  Each is 0 or -EINVAL, with the sentence. */
#ifndef RUNTIME_CONF_CHECK_H
#define RUNTIME_CONF_CHECK_H

#include "runtime/conf_build.h"

/* Are its required keys there, and none that its type does not have? */
int conf_check_fit(struct builder *builder, const struct met *met);

/* When defaults are in: do its values go together?  What follows from them is filled in. */
int conf_check_source(struct builder *builder, const struct met *met);
int conf_check_sink(struct builder *builder, const struct met *met);

#endif
