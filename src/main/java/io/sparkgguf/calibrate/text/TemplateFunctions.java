package io.sparkgguf.calibrate.text;

import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.objects.date.StrftimeFormatter;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;

/** What chat templates call that Jinja itself does not have; found by name. */
public final class TemplateFunctions {
    private TemplateFunctions() {}

    /** Rendering ends here, for a reason in plain words. */
    static final class Refusal extends InterpretException {
        private static final long serialVersionUID = 1L;

        Refusal(String reason) {
            super(reason);
        }
    }

    /** Ends rendering with the template's own reason. */
    public static Object raise(Object reason) {
        throw new Refusal("the template says: " + reason);
    }

    /** Ends rendering where the template uses what is not supported. */
    public static Object unsupported(Object what) {
        throw new Refusal("it uses " + what + ", which is not supported here");
    }

    /** A fixed day, so that the same text comes out on every day: 26 July 2024, the first that Llama 3.1 names. */
    public static String now(String format) {
        return StrftimeFormatter.format(ZonedDateTime.of(2024, 7, 26, 0, 0, 0, 0, ZoneOffset.UTC), format);
    }
}
