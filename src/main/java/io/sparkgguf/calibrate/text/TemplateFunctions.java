package io.sparkgguf.calibrate.text;

import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.objects.date.StrftimeFormatter;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;

/** What chat templates call that Jinja itself does not have; found by name. */
public final class TemplateFunctions {
    private TemplateFunctions() {}

    /** Ends rendering with the template's own reason. */
    public static Object raise(Object reason) {
        throw new InterpretException("the template says: " + reason);
    }

    /** A fixed day, so that the same text comes out on every day: 26 July 2024, the first that Llama 3.1 names. */
    public static String now(String format) {
        return StrftimeFormatter.format(ZonedDateTime.of(2024, 7, 26, 0, 0, 0, 0, ZoneOffset.UTC), format);
    }
}
