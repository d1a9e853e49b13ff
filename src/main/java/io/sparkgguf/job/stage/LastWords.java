package io.sparkgguf.job.stage;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.Appender;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Configuration;
import org.apache.logging.log4j.core.config.LoggerConfig;
import org.apache.logging.log4j.core.config.Property;

/**
 * Why a standalone cluster ended an application. Spark tells that, and why executors could not be started, to its log
 * alone, so this listens there, whatever is printed of it. Where Spark logs by something else than Log4j 2, nothing is
 * heard.
 */
final class LastWords {
    private static final List<String> SPEAKERS = List.of(
            "org.apache.spark.deploy.client.StandaloneAppClient$ClientEndpoint",
            "org.apache.spark.scheduler.cluster.StandaloneSchedulerBackend");

    private static final Pattern KILLED = Pattern.compile("Application has been killed\\. Reason: (.*)");
    private static final Pattern EXECUTOR = Pattern.compile("Executor updated: \\S+ is now [A-Z]+ \\((.*)\\)");

    private String killed;
    private String executor;

    /** Begins to listen. */
    static LastWords listen() {
        LastWords words = new LastWords();
        if (LogManager.getContext(false) instanceof LoggerContext context) {
            Ear ear = words.new Ear();
            ear.start();
            SPEAKERS.forEach(speaker -> hear(context.getConfiguration(), speaker, ear));
            context.updateLoggers();
        }
        return words;
    }

    /** Lets what a logger says from INFO on come to {@code ear}; what is printed of it stays what it was. */
    private static void hear(Configuration configuration, String speaker, Appender ear) {
        LoggerConfig heard = configuration.getLoggerConfig(speaker);
        if (!heard.getName().equals(speaker)) {
            LoggerConfig printed = heard;
            heard = new LoggerConfig(speaker, Level.INFO, false);
            for (LoggerConfig from = printed; from != null; from = from.isAdditive() ? from.getParent() : null) {
                for (Appender appender : from.getAppenders().values()) {
                    heard.addAppender(appender, printed.getLevel(), null);
                }
            }
            configuration.addLogger(speaker, heard);
        }
        heard.removeAppender(ear.getName()); // that of an earlier session in this process
        heard.addAppender(ear, Level.INFO, null);
    }

    private final class Ear extends AbstractAppender {
        private Ear() {
            super("last words", null, null, true, Property.EMPTY_ARRAY);
        }

        @Override
        public void append(LogEvent event) {
            take(event.getMessage().getFormattedMessage());
        }
    }

    /** Takes in a line of Spark's log. */
    synchronized void take(String line) {
        String text = line.lines().findFirst().orElse("");
        Matcher end = KILLED.matcher(text);
        if (end.matches()) {
            killed = end.group(1);
        }
        Matcher lost = EXECUTOR.matcher(text);
        if (lost.matches()) {
            executor = lost.group(1);
        }
    }

    /** Why the application ended; null when nothing was said of it. */
    synchronized String killed() {
        return killed;
    }

    /** Why the last executor ended or could not be started; null when nothing was said of it. */
    synchronized String executor() {
        return executor;
    }
}
