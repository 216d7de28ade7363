/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the checks, and how each is told. */
#include "core/doctor.h"

#include <errno.h>
#include <stdarg.h>

#include "core/doctor_checks.h"

void weir_doctor_tell(struct weir_doctor *doctor, const char *check, enum doctor_level level,
		      const char *mend, const char *format, ...)
{
	static const char *const levels[] = { "ok", "warning", "error" };
	_cleanup_buf_ struct weir_buf found = {};
	va_list args;

	va_start(args, format);
	weir_buf_vaddf(&found, format, args);
	va_end(args);
	weir_json_open_object(&doctor->json, NULL);
	weir_json_put_str(&doctor->json, "check", check);
	weir_json_put_bool(&doctor->json, "ok", level == DOCTOR_OK);
	weir_json_put_str(&doctor->json, "level", levels[level]);
	weir_json_put_str(&doctor->json, "found", weir_buf_str(&found));
	weir_json_put_str(&doctor->json, "mend", mend);
	weir_json_close_object(&doctor->json);
}

static void check_repeat(struct weir_doctor *doctor, const struct weir_json *check)
{
	bool is_ok = weir_json_bool(weir_json_get(check, "ok"), false);

	weir_doctor_tell(doctor, weir_json_str(weir_json_get(check, "check"), "?"),
			 is_ok ? DOCTOR_OK : DOCTOR_WARNING,
			 weir_json_str(weir_json_get(check, "mend"), NULL), "%s",
			 weir_json_str(weir_json_get(check, "found"), ""));
}

int weir_doctor(const char *pin_dir, const struct weir_json *more, struct weir_buf *reply)
{
	struct weir_doctor doctor = { .json = { .out = reply }, .pin_dir = pin_dir };

	weir_json_open_object(&doctor.json, NULL);
	weir_json_open_array(&doctor.json, "checks");
	weir_doctor_machine(&doctor);
	weir_doctor_bpf(&doctor);
	weir_doctor_hooks(&doctor);
	weir_doctor_devices(&doctor);
	for (size_t i = 0; i < weir_json_size(more); i++)
		check_repeat(&doctor, weir_json_at(more, i));
	weir_json_close_array(&doctor.json);
	weir_json_close_object(&doctor.json);
	return reply->failed ? -ENOMEM : 0;
}
