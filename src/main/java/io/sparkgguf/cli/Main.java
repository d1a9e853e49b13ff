package io.sparkgguf.cli;

import io.sparkgguf.job.Version;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The entry of the program, for the launcher and for {@code spark-submit --class}. */
@Command(
        name = "spark-gguf",
        synopsisSubcommandLabel = "COMMAND",
        description = {
            "Turns a large language model's checkpoint (a Hugging Face folder, or a GGUF file) into one validated GGUF file,"
                    + " on Apache Spark: on this machine by default, on a cluster with --master URL.",
            ""
        },
        subcommands = {
            QuantizeCommand.class,
            PlanCommand.class,
            InspectCommand.class,
            ValidateCommand.class,
            EvaluateCommand.class,
            ImatrixCommand.class,
            SurveyCommand.class,
            CleanCommand.class,
            CommandLine.HelpCommand.class
        },
        mixinStandardHelpOptions = true,
        versionProvider = Main.Versions.class,
        footerHeading = "%nExample:%n",
        footer = {
            "  spark-gguf quantize --model ./Qwen3-8B --output qwen3.gguf --type Q4_K_M",
            "",
            "Where it runs, for every command:",
            "  Without --master, in this process on all cores; --driver-memory 4g gives it",
            "  more memory, --conf spark.KEY=VALUE sets Spark up, JAVA_HOME names the JDK.",
            "  With --master URL the launcher hands the job to spark-submit, that of",
            "  SPARK_HOME if set, with conf/spark-defaults.conf and these options, if given:",
            "  --deploy-mode, --supervise, --conf, --properties-file, --packages,",
            "  --exclude-packages, --repositories, --jars, --files, --archives, --name,",
            "  --queue, --num-executors, --executor-memory, --executor-cores,",
            "  --total-executor-cores, --driver-memory, --driver-cores,",
            "  --driver-java-options, --driver-class-path, --driver-library-path,",
            "  --principal, --keytab, --proxy-user.",
            "  --lib URI, with --deploy-mode cluster: where the cluster finds the jars.",
            "  'spark-gguf package DIR [--with-spark] [--with-s3]' makes a folder for",
            "  machines without Maven.",
            "",
            "'spark-gguf COMMAND --help' explains a command."
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:failed while running (input or output, memory, an executor); nothing is under the final name, the same"
                    + " command goes on from what is done",
            "2:the command line was not understood, or contradicts itself",
            "3:the input was refused: damaged, contradictory, or not fit for what was asked",
            "4:validate: the file is not valid, or is not what the report or the source says"
        })
public final class Main implements Runnable {
    /** Failed while running. */
    static final int FAILED = 1;
    /** The command line was not understood. */
    static final int USAGE = 2;
    /** The input was refused. */
    static final int REFUSED = 3;
    /** The validated file is not valid. */
    static final int INVALID = 4;

    @Spec
    private CommandSpec spec;

    private Main() {}

    public static void main(String[] args) {
        int code = run(args);
        System.out.flush();
        if (code != 0) { // returning lets spark-submit in cluster mode see a clean end
            System.exit(code);
        }
    }

    /** Runs a command line and returns its exit code. */
    static int run(String... args) {
        CommandLine line = new CommandLine(new Main());
        PrintWriter err = line.getErr();
        Optional<String> secret = UriCredentials.refusal(args);
        if (secret.isPresent()) {
            err.println("spark-gguf: " + secret.get());
            err.flush();
            return USAGE;
        }
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setParameterExceptionHandler(Main::explainUsage);
        line.setExecutionExceptionHandler((failure, command, parsed) -> explain(failure, command.getErr()));
        try {
            return line.execute(args);
        } catch (OutOfMemoryError e) {
            err.println("spark-gguf: Cannot go on: out of memory (the heap may have "
                    + ByteSize.text(Runtime.getRuntime().maxMemory())
                    + "); give more with --driver-memory");
            err.flush();
            return FAILED;
        }
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "Cannot run: no command given (quantize, plan, inspect, validate, evaluate, imatrix, survey or clean)");
    }

    private static int explainUsage(ParameterException failure, String[] args) {
        CommandLine command = failure.getCommandLine();
        PrintWriter err = command.getErr();
        err.println("spark-gguf: " + oneLine(UsageError.explain(failure)));
        err.println("Try '" + command.getCommandSpec().qualifiedName() + " --help'.");
        err.flush();
        return USAGE;
    }

    private static int explain(Exception failure, PrintWriter err) {
        boolean refused = failure instanceof InvalidInputException;
        String message;
        if (refused || failure instanceof IOException && failure.getMessage() != null) {
            message = failure.getMessage();
        } else { // not foreseen: the reader needs all of it
            failure.printStackTrace(err);
            message = "Cannot go on: " + failure;
        }
        err.println("spark-gguf: " + oneLine(message));
        err.flush();
        return refused ? REFUSED : FAILED;
    }

    private static String oneLine(String message) {
        return message.strip().replaceAll("\\s*\\R\\s*", "; ");
    }

    /** The version line. */
    static final class Versions implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {Version.TOOL + " " + Version.number()};
        }
    }
}
