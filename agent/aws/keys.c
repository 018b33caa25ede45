/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/keys.h"

#include <openssl/crypto.h>

void
aws_keys_wipe(struct aws_keys *keys)
{
	OPENSSL_cleanse(keys, sizeof(*keys));
}
