package io.sparkgguf.storage.hadoop;

import java.io.CharConversionException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.MalformedURLException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.util.Set;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.security.sasl.SaslException;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.PathIOException;
import org.apache.hadoop.net.ConnectTimeoutException;
import org.apache.hadoop.security.AccessControlException;

/**
 * Tells failures of a file system that may pass (a store that is overloaded, a connection that was cut, a time-out) from
 * those that will not: refusals, what is not there, what was changed, and being told to end.
 */
final class PassingFailures {
    /** What will be the same the next time. */
    private static final Set<Class<? extends IOException>> FINAL = Set.of(
            FileNotFoundException.class,
            AccessControlException.class,
            AccessDeniedException.class,
            FileSystemException.class,
            PathIOException.class,
            WrongKindException.class,
            FileAlreadyExistsException.class,
            ChecksumException.class,
            SaslException.class,
            SSLHandshakeException.class,
            SSLPeerUnverifiedException.class,
            UnknownHostException.class,
            MalformedURLException.class,
            CharConversionException.class,
            ClosedByInterruptException.class);

    /** The same of S3A, whose classes are on the class path only where it is used. */
    private static final Set<String> FINAL_IN_S3A = Set.of(
            "AWSBadRequestException",
            "AWSRedirectException",
            "AWSUnsupportedFeatureException",
            "CredentialInitializationException",
            "NoVersionAttributeException",
            "UnknownStoreException");

    private PassingFailures() {}

    /** Whether what failed so may succeed when it is tried again. */
    static boolean mayPass(IOException failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof InterruptedException || isFinal(cause) || isA(cause, FINAL_IN_S3A)) {
                return false;
            }
        }
        return !(failure instanceof InterruptedIOException)
                || failure instanceof SocketTimeoutException
                || failure instanceof ConnectTimeoutException;
    }

    /** Whether the store said that the object is no longer the one that was opened. */
    static boolean isChange(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (isA(cause, Set.of("RemoteFileChangedException"))) {
                return true;
            }
        }
        return false;
    }

    private static boolean isFinal(Throwable failure) {
        return FINAL.stream().anyMatch(known -> known.isInstance(failure));
    }

    private static boolean isA(Throwable failure, Set<String> names) {
        for (Class<?> type = failure.getClass(); type != null; type = type.getSuperclass()) {
            if (names.contains(type.getSimpleName())) {
                return true;
            }
        }
        return false;
    }
}
