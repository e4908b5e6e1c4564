// What a learner should know where JupyterLite says nothing: that Python is still being
// fetched, does not start, or that nothing is kept. In the JavaScript of 2009, because
// old browsers must understand it, too.
(function () {
    "use strict";
    var SECONDS = 120; // Python takes 10 to 20
    var ELSEWHERE = "Read the lesson, or run it elsewhere.";
    var bar = document.createElement("div");
    var path = /[?&]path=([^&#]*)\.ipynb/.exec(location.search);
    var page = "../../" + (path ? path[1] + ".html" : "index.html");

    function say(kind, text, wayOut) {
        var close = document.createElement("button"), link;
        var line = document.getElementById("notice-" + kind);
        if (line) line.parentNode.removeChild(line);
        bar.style.display = text || bar.firstChild ? "" : "none";
        if (!text) return;
        line = document.createElement("p");
        line.id = "notice-" + kind;
        line.style.cssText = "margin: 0.3em 0";
        line.appendChild(document.createTextNode(text + " "));
        if (wayOut) {
            link = document.createElement("a");
            link.href = page;
            link.appendChild(document.createTextNode(wayOut));
            line.appendChild(link);
            line.appendChild(document.createTextNode(" "));
        }
        close.appendChild(document.createTextNode("Close"));
        close.onclick = function () { say(kind, ""); };
        line.appendChild(close);
        bar.appendChild(line);
        document.body.appendChild(bar);
    }

    function tooOld() {
        var needs = ["WebAssembly", "Worker", "Promise", "BroadcastChannel"], i;
        for (i = 0; i < needs.length; i++) if (!window[needs[i]]) return needs[i];
        try {
            new Function("import('')"); // is only read
        } catch (error) {
            return "import";
        }
        return "";
    }

    function kept(tell) {
        try {
            var request = indexedDB.open("notice", 1);
            request.onupgradeneeded = function () {
                request.result.createObjectStore("some");
            };
            request.onerror = function () { tell(false); };
            request.onsuccess = function () {
                var store = request.result.transaction("some", "readwrite");
                store.oncomplete = store.onabort = function (event) {
                    request.result.close();
                    indexedDB.deleteDatabase("notice");
                    tell(event.type === "complete");
                };
                store.objectStore("some").put(new ArrayBuffer(1000000), "bytes");
            };
        } catch (error) {
            tell(false);
        }
    }

    function ready() {
        var panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
        var session = panel && panel.sessionContext && panel.sessionContext.session;
        var status = session && session.kernel && session.kernel.status;
        return status === "idle" || status === "busy";
    }

    // On a phone the list of files leaves no room for a lesson. JupyterLab opens it more
    // than once while it starts.
    function makeRoom() {
        var shell = window.jupyterapp && window.jupyterapp.shell;
        if (shell && shell.currentWidget && window.innerWidth <= 600) shell.collapseLeft();
    }

    function start() {
        var lacks = tooOld(), begin = new Date(), late = false, wait;
        bar.setAttribute("role", "status");
        bar.style.cssText =
            "position: fixed; bottom: 2em; left: 5%; right: 5%; z-index: 10001;" +
            "padding: 0.3em 1em; font: 16px sans-serif; color: black;" +
            "background: #fff3c4; border: 1px solid #b58900";
        if (lacks) {
            document.body.innerHTML = ""; // else something turns there for ever
            say("old", "This browser cannot run Python in a page: it has no " + lacks +
                ". Take a Firefox, Chrome, Edge or Safari of the last years.", ELSEWHERE);
            return;
        }
        say("python", "Python is starting. The first time about 40 MB are fetched.");
        wait = setInterval(function () {
            makeRoom();
            if (ready()) {
                say("python", "");
                clearInterval(wait);
            } else if (!late && new Date() - begin > 1000 * SECONDS) {
                late = true; // on a slow machine it may still come
                say("python", "Python has not started yet. Is there a connection to " +
                    "the internet? Reload this page to try again.");
            }
        }, 500);
        kept(function (keeps) {
            if (!keeps) say("kept", "This browser keeps nothing here: the window is " +
                "private, or storage is full or forbidden. If the lesson does not open, " +
                "make room or allow storage (cookies) for this site. If it does, " +
                "download what you write (File > Download): it is gone when you close " +
                "it.", ELSEWHERE);
        });
        function offline() {
            say("offline", "There is no network. What is open goes on. Other lessons " +
                "may be missing, and Python may not start, until it is back.");
        }
        if (navigator.onLine === false) offline();
        window.addEventListener("offline", offline);
        window.addEventListener("online", function () { say("offline", ""); });
    }

    if (document.body) start();
    else document.addEventListener("DOMContentLoaded", start);
})();
