/* SPDX-License-Identifier: Apache-2.0 */
/* The operation table for machines: as an OpenAPI 3.1 document and as the table it is. */
#ifndef WEIR_API_OPENAPI_H
#define WEIR_API_OPENAPI_H

#include "../base/buf.h"

void weir_openapi_write(struct weir_buf *text);
/* {"operations":[{name,route,method,kind,role,summary,example,upload,args:[…]}]} */
void weir_operations_write(struct weir_buf *text);

#endif
