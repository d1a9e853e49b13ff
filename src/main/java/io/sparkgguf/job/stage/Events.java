package io.sparkgguf.job.stage;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What happens in a run, for machines that read logs: one line each, {@code event=NAME key=value …}, under the logger
 * {@code io.sparkgguf.events}. Values with anything but letters, digits and {@code . _ : / @ + - ,} stand in double
 * quotes, with {@code \"} and {@code \\} inside; line breaks become spaces.
 */
public final class Events {
    private static final Logger LOG = LoggerFactory.getLogger("io.sparkgguf.events");

    private Events() {}

    /**
     * Something went as it should.
     *
     * @param event what, for example {@code stage.end}
     * @param fields keys and values in turn; a null value leaves its key out
     */
    public static void info(String event, Object... fields) {
        if (LOG.isInfoEnabled()) {
            LOG.info(line(event, fields));
        }
    }

    /** The same for what went wrong and was, or will be, made up for. */
    public static void warn(String event, Object... fields) {
        if (LOG.isWarnEnabled()) {
            LOG.warn(line(event, fields));
        }
    }

    static String line(String event, Object... fields) {
        StringBuilder line = new StringBuilder("event=").append(event);
        for (int i = 0; i < fields.length; i += 2) {
            if (fields[i + 1] != null) {
                line.append(' ').append(fields[i]).append('=').append(value(fields[i + 1]));
            }
        }
        return line.toString();
    }

    private static String value(Object value) {
        String text = value instanceof Double number
                ? String.format(java.util.Locale.ROOT, "%.3f", number)
                : value.toString();
        return text.matches("[\\w.:/@+,-]+")
                ? text
                : '"'
                        + text.replaceAll("\\p{Cntrl}+", " ")
                                .replace("\\", "\\\\")
                                .replace("\"", "\\\"")
                        + '"';
    }
}
